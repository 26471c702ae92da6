from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.transforms import (
    BoxJitter,
    boxes_from_label,
    boxes_from_masks,
    jitter_boxes,
    masks_from_label,
)

AREA = (200, 256)  # rows and columns
BOXES = torch.tensor([[100, 90, 140, 110], [0, 0, 256, 200], [7.25, 3.5, 7.75, 150]])


def test_boxes_are_the_extent_of_each_organ() -> None:
    label = torch.zeros(6, 9, dtype=torch.uint8)
    label[1, 2] = 4
    label[3:5, 0:3] = 2
    label[0, 8] = 2
    boxes, organs = boxes_from_label(label)
    assert organs.tolist() == [2, 4]
    assert boxes.tolist() == [[0, 0, 9, 5], [2, 1, 3, 2]]
    assert boxes.dtype == torch.float32
    assert organs.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_boxes_agree_with_a_search_an_organ(dtype: torch.dtype) -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 14, (40, 30)) * (random.random((40, 30)) < 0.02)
    boxes, organs = boxes_from_label(torch.as_tensor(label).to(dtype))
    assert organs.tolist() == [int(v) for v in np.unique(label) if v]
    for box, organ in zip(boxes.tolist(), organs.tolist(), strict=True):
        rows, columns = np.nonzero(label == organ)
        assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_a_label_taken_apart_has_the_same_boxes(dtype: torch.dtype) -> None:
    random = np.random.default_rng(1)
    label = torch.as_tensor(random.integers(0, 9, (40, 30)) * (random.random((40, 30)) < 0.02))
    masks, organs = masks_from_label(label.to(dtype))
    assert (masks.dtype, organs.dtype) == (torch.uint8, torch.int64)
    assert torch.equal((masks * organs[:, None, None]).sum(dim=0), label)  # they do not overlap
    boxes, expected = boxes_from_label(label.to(dtype))
    assert torch.equal(organs, expected)
    assert torch.equal(boxes_from_masks(masks), boxes)
    assert boxes_from_masks(masks).dtype == torch.float32


def test_overlapping_masks_have_boxes_of_their_own() -> None:
    masks = torch.zeros(2, 5, 9, dtype=torch.uint8)
    masks[:, 2, 3:6] = 1
    masks[1, 4, 8] = 255
    assert boxes_from_masks(masks).tolist() == [[3, 2, 6, 3], [3, 2, 9, 5]]
    masks[0] = 0
    with pytest.raises(CobotError, match="a mask is empty and has no box: leave it out"):
        boxes_from_masks(masks)


def test_a_slice_without_organs_has_no_boxes() -> None:
    label = torch.zeros(4, 4, dtype=torch.uint8)
    boxes, organs = boxes_from_label(label)
    assert boxes.shape == (0, 4)
    assert organs.shape == (0,)
    assert masks_from_label(label)[0].shape == (0, 4, 4)
    assert boxes_from_masks(masks_from_label(label)[0]).shape == (0, 4)


@pytest.mark.parametrize(
    ("box", "offset", "expected"),
    [
        ([10, 10, 20, 20], [-3, 1, 4, 0], [7, 11, 24, 20]),
        ([10, 10, 20, 20], [-30, -30, 300, 300], [0, 0, 50, 40]),  # clipped
        ([10, 10, 20, 20], [15, 0, 0, 0], [20, 10, 25, 20]),  # put in order
        ([10, 10, 20, 20], [5, 0, -5, 0], [14.5, 10, 15.5, 20]),  # widened to a pixel
        ([48, 10, 50, 20], [9, 0, 9, 0], [49, 10, 50, 20]),  # outside: the last pixel
        ([0, 10, 2, 20], [-9, 0, -9, 0], [0, 10, 1, 20]),  # outside: the first pixel
    ],
)
def test_jittered_boxes_stay_boxes(box, offset, expected) -> None:
    moved = jitter_boxes(torch.tensor([box]).float(), torch.tensor([offset]), (40, 50))
    assert moved.tolist() == [expected]


@pytest.mark.parametrize("mode", ["outward", "symmetric", "proportional"])
def test_size_zero_changes_no_bit_and_draws_nothing(mode: str) -> None:
    jitter = BoxJitter(mode, 0, 256).set_random_state(seed=1)
    before = jitter.R.get_state()[2]
    assert torch.equal(jitter(BOXES, AREA), BOXES)
    assert jitter.R.get_state()[2] == before


@pytest.mark.parametrize("mode", ["outward", "symmetric", "proportional"])
def test_offsets_are_uniform_within_the_mode_s_reach(mode: str) -> None:
    """Each side on its own, checked on a box that is far from the border."""
    box = torch.tensor([[100.0, 90, 140, 110]])  # 40 x 20
    size = 0.2 if mode == "proportional" else 50
    jitter = BoxJitter(mode, size, 256).set_random_state(seed=3)
    moved = jitter(box.repeat(4000, 1), AREA)
    outwards = (moved - box) * torch.tensor([-1, -1, 1, 1])
    pixels = 50 * 256 / 1024
    reach = torch.tensor([8, 4, 8, 4.0]) if mode == "proportional" else torch.full((4,), pixels)
    low = torch.zeros(4) if mode == "outward" else -reach
    if mode == "symmetric":  # 12.5 either way may exchange the sides of a box 20 high
        outwards, reach, low = outwards[:, [0, 2]], reach[[0, 2]], low[[0, 2]]
    near = 0.02 * reach  # the extremes of 4000 draws lie within 1 % of the range's ends
    assert ((outwards.amax(0) <= reach) & (outwards.amax(0) > reach - near)).all()
    assert ((outwards.amin(0) >= low) & (outwards.amin(0) < low + near)).all()
    middle = (low + reach) / 2
    assert ((outwards.mean(0) - middle).abs() < 2 * near).all()
    correlation = torch.corrcoef(outwards.T) - torch.eye(outwards.shape[1])
    assert correlation.abs().max() < 0.08  # five deviations of 1 / sqrt(4000)


def test_outward_boxes_contain_the_exact_ones() -> None:
    moved = BoxJitter("outward", 50, 256).set_random_state(seed=0)(BOXES, AREA)
    assert (moved[:, :2] <= BOXES[:, :2]).all()
    assert (moved[:, 2:] >= BOXES[:, 2:]).all()
    assert (moved >= 0).all()
    assert (moved[:, 2] <= AREA[1]).all()
    assert (moved[:, 3] <= AREA[0]).all()


def test_a_seed_repeats_and_copies_draw_alike() -> None:
    jitter = BoxJitter("symmetric", 50, 256).set_random_state(seed=5)
    twins = [copy.deepcopy(jitter), pickle.loads(pickle.dumps(jitter))]
    moved = jitter(BOXES, AREA)
    assert all(torch.equal(twin(BOXES, AREA), moved) for twin in twins)
    assert not torch.equal(jitter(BOXES, AREA), moved)
    assert torch.equal(jitter.set_random_state(seed=5)(BOXES, AREA), moved)


def test_no_boxes_stay_no_boxes() -> None:
    assert BoxJitter("outward", 50).set_random_state(0)(torch.zeros(0, 4), AREA).shape == (0, 4)


def test_configurations_are_read_and_named() -> None:
    assert str(BoxJitter.from_mapping(None, 256)) == "exact"
    assert str(BoxJitter.from_mapping({"mode": "outward", "size": 50})) == "outward 50 px at 1024"
    assert str(BoxJitter.from_mapping({"mode": "proportional", "size": 0.1})) == "proportional 0.1"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"mode": "inward", "size": 5}, "unknown box jitter mode 'inward': choose one of outward"),
        ({"mode": "outward", "size": -1}, "size -1 is no number of at least 0"),
        ({"mode": "outward", "size": "5e1"}, "size '5e1' is no number"),
        ({"mode": "outward", "size": float("nan")}, "size nan is no number"),
        ({"mode": "outward", "size": True}, "size True is no number"),
        ({"mode": "proportional", "size": 50}, "give a share of the box's side between 0 and 1"),
        ({"mode": "outward", "pixels": 5}, "not understood: give {mode: outward, size: 50}"),
        (50, "box jitter 50 is not understood"),
    ],
)
def test_bad_configurations_say_what_to_write(mapping, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        BoxJitter.from_mapping(mapping, 256)


def test_scaled_box_keeps_its_middle() -> None:
    """(10, 20)-(30, 60) times 1.5: sides 30 and 60 around (20, 40)."""
    boxes = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    scaled = BoxJitter("scale", 1.5, 256)(boxes, (256, 256))
    assert scaled.tolist() == [[5.0, 10.0, 35.0, 70.0]]
    halved = BoxJitter("scale", 0.5, 256)(boxes, (256, 256))
    assert halved.tolist() == [[15.0, 30.0, 25.0, 50.0]]
    assert BoxJitter("scale", 1, 256)(boxes, (256, 256)).tolist() == boxes.tolist()
    assert str(BoxJitter("scale", 1.5)) == "scale 1.5"


def test_shifted_box_keeps_its_sides_and_goes_as_far_as_asked() -> None:
    """40 px at 1024 are 10 at 256; directions differ."""
    boxes = torch.tensor([[100.0, 100.0, 120.0, 140.0]]).repeat(50, 1)
    shift = BoxJitter("shift", 40, 256)
    shift.set_random_state(seed=1)
    moved = shift(boxes, (256, 256)) - boxes
    close = {"rtol": 0, "atol": 1e-4}  # single precision at about 100
    torch.testing.assert_close(moved[:, :2], moved[:, 2:], **close)
    torch.testing.assert_close(moved[:, :2].norm(dim=1), torch.full((50,), 10.0), **close)
    assert len({tuple(row) for row in moved.round(decimals=2).tolist()}) > 40
    assert str(shift) == "shift 40 px at 1024"
