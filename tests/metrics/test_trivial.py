"""The answers of the prompts alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.metrics import filled_box, inscribed_ellipse, paint, trivial_masks, trivial_volume


def test_filled_box_is_the_half_open_rectangle():
    boxes = [[2, 1, 7, 4], [0, 0, 10, 8], [9, 7, 10, 8]]
    masks = filled_box(torch.tensor(boxes, dtype=torch.float32), (8, 10))
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        expected = np.zeros((8, 10), bool)
        expected[y0:y1, x0:x1] = True
        np.testing.assert_array_equal(mask, expected)


def test_ellipse_by_hand():
    # In a box of 4 x 4 the corner pixels' centres lie at (1.5, 1.5) of radius 2: outside.
    mask = inscribed_ellipse([[1, 1, 5, 5]], (6, 6))[0]
    expected = np.zeros((6, 6), bool)
    expected[1:5, 2:4] = expected[2:4, 1:5] = True
    np.testing.assert_array_equal(mask, expected)


def test_ellipse_has_its_area_and_stays_in_the_box():
    box = [[10, 20, 210, 120]]
    ellipse, filled = inscribed_ellipse(box, (150, 230)), filled_box(box, (150, 230))
    # Counting pixel centres errs by less than the perimeter, here far below 1 %.
    assert ellipse.sum() == pytest.approx(math.pi / 4 * 200 * 100, rel=0.01)
    assert not (ellipse & ~filled).any()
    inside = ellipse[0, 20:120, 10:210]
    np.testing.assert_array_equal(inside, inside[::-1, ::-1])


@pytest.mark.parametrize("answer", [filled_box, inscribed_ellipse])
def test_a_box_thinner_than_a_pixel_still_answers(answer):
    mask = answer([[3.1, 2.0, 3.3, 3.0]], (6, 6))[0]
    assert mask.sum() == 1
    assert mask[2, 3]


def test_no_boxes():
    assert filled_box(np.zeros((0, 4)), (5, 6)).shape == (0, 5, 6)
    assert inscribed_ellipse([], (5, 6)).shape == (0, 5, 6)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_smaller_stays_on_top(order):
    boxes, labels = np.array([[0, 0, 6, 6], [2, 2, 4, 4]])[order], np.array([1, 13])[order]
    painted = paint(filled_box(boxes, (6, 6)), labels)
    assert (painted == 13).sum() == 4
    assert (painted == 1).sum() == 32


def test_volume():
    prompts = {
        1: (torch.tensor([[0.0, 0.0, 2.0, 3.0]]), torch.tensor([5])),
        2: (np.zeros((0, 4)), np.zeros(0, int)),
    }
    volume = trivial_volume(prompts, (3, 4, 5), "filled_box")
    expected = np.zeros((3, 4, 5), np.uint8)
    expected[1, :3, :2] = 5
    np.testing.assert_array_equal(volume, expected)


def test_a_picture_has_an_answer_a_box():
    boxes = [[0, 0, 6, 6], [2, 2, 4, 4]]
    masks = trivial_masks(boxes, (6, 7), "filled_box")
    assert masks.sum(axis=(1, 2)).tolist() == [36, 4]  # they overlap
    np.testing.assert_array_equal(
        trivial_masks(boxes, (6, 7), "ellipse"), inscribed_ellipse(boxes, (6, 7))
    )


def test_bad_input():
    with pytest.raises(CobotError, match=r"'circle': choose \['filled_box', 'ellipse'\]"):
        trivial_masks([], (2, 2), "circle")
    with pytest.raises(CobotError, match=r"'circle': choose \['filled_box', 'ellipse'\]"):
        trivial_volume({}, (1, 2, 2), "circle")
    with pytest.raises(CobotError, match="slice 3, the volume has slices 0 to 2"):
        trivial_volume({3: ([[0, 0, 1, 1]], [1])}, (3, 4, 4), "ellipse")
