"""Run lengths, against masks and a file worked by hand."""

from __future__ import annotations

import json

import numpy as np

from monai_cobot.transforms import coco_box, decode_masks, encode_masks, mask_area


def test_round_trip_through_json() -> None:
    masks = (np.random.default_rng(0).random((4, 7, 11)) < 0.4).astype(np.uint8)
    masks[3] = 0
    runs = json.loads(json.dumps(encode_masks(masks)))
    np.testing.assert_array_equal(decode_masks(runs, (7, 11)), masks)
    assert [mask_area(run) for run in runs] == masks.sum(axis=(1, 2)).tolist()
    assert [run["size"] for run in runs] == [[7, 11]] * 4


def test_a_rectangle_by_hand() -> None:
    mask = np.zeros((1, 6, 8), bool)
    mask[0, 1:4, 2:7] = True
    (runs,) = encode_masks(mask)
    assert coco_box(runs) == [2, 1, 5, 3]  # x, y, width, height
    # Columns from the left: 2 columns of 6 and a pixel outside, 3 inside, 3 outside, …
    lengths = [13, 3, 3, 3, 3, 3, 3, 3, 3, 3, 8]
    assert sum(lengths) == 48
    column = np.repeat(np.arange(len(lengths)) % 2, lengths)
    np.testing.assert_array_equal(decode_masks([runs], (6, 8))[0], column.reshape(8, 6).T)


def test_none_and_an_empty_one() -> None:
    assert encode_masks(np.zeros((0, 6, 8))) == []
    assert decode_masks([], (6, 8)).shape == (0, 6, 8)
    (empty,) = encode_masks(np.zeros((1, 6, 8)))
    assert (mask_area(empty), coco_box(empty)) == (0, [0, 0, 0, 0])
