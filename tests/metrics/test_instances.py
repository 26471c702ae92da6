"""Scores of a picture's instances, against squares worked by hand and MONAI's own Dice."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_iou
from pycocotools import mask as coco_mask

from monai_cobot.errors import CobotError
from monai_cobot.metrics import Run, instance_rows, instance_scores, read_csv, write_csv

RUN = Run("lora", True, 7, "f00d", "patient", 64, "small", "random", "exact")
FLOAT32 = 1e-6


def masks(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (20, 30)) -> np.ndarray:
    found = np.zeros((len(boxes), *size), np.uint8)
    for mask, (x0, y0, x1, y1) in zip(found, boxes, strict=True):
        mask[y0:y1, x0:x1] = 1
    return found


def test_each_instance_is_held_against_its_own_truth() -> None:
    truths = masks((0, 0, 10, 10), (0, 0, 10, 10), (5, 5, 9, 9))  # they overlap
    predictions = masks((0, 0, 10, 10), (5, 0, 15, 10), (0, 0, 0, 0))
    same, shifted, missed = instance_scores(predictions, truths, ["ship", "ship", "tire"])
    assert (same.dice, same.iou, same.hd95_px) == (1.0, 1.0, 0.0)
    assert (shifted.dice, shifted.iou) == (0.5, 50 / 150)
    assert shifted.hd95_px == pytest.approx(5.0)
    assert (missed.dice, missed.iou, missed.hd95_px) == (0.0, 0.0, math.inf)
    assert [score.organ for score in (same, shifted, missed)] == ["ship", "ship", "tire"]
    assert (shifted.true_voxels, missed.predicted_voxels) == (100, 0)
    for score in (same, shifted, missed):
        assert math.isnan(score.surface_dice)
        assert math.isnan(score.surface_tolerance_mm)
        assert math.isnan(score.hd95_mm)


def test_counts_agree_with_monai() -> None:
    random = np.random.default_rng(0)
    truths, predictions = (random.random((5, 40, 50)) < 0.3 for _ in range(2))
    scores = instance_scores(predictions, truths, ["a"] * 5)
    ours = np.array([(score.dice, score.iou) for score in scores])
    theirs = [
        measure(*(torch.from_numpy(m)[:, None].float() for m in (predictions, truths)))[:, 0]
        for measure in (compute_dice, compute_iou)
    ]
    np.testing.assert_allclose(ours, np.stack(theirs, axis=1), atol=FLOAT32)


def test_iou_is_that_of_pycocotools() -> None:
    """COCO's own program, on run lengths; its counts are integers too."""
    random = np.random.default_rng(1)
    truths, predictions = (random.random((6, 40, 50)) < share for share in (0.3, 0.6))
    ours = [score.iou for score in instance_scores(predictions, truths, ["a"] * 6)]
    predicted, true = (
        coco_mask.encode(np.asfortranarray(masks.transpose(1, 2, 0), np.uint8))
        for masks in (predictions, truths)
    )
    theirs = coco_mask.iou(predicted, true, [0] * 6).diagonal()
    np.testing.assert_array_equal(ours, theirs)


def test_absent_and_false_are_as_for_organs() -> None:
    nothing, something = masks((0, 0, 0, 0)), masks((1, 1, 3, 3))
    (absent,) = instance_scores(nothing, nothing, ["a"])
    assert math.isnan(absent.dice)
    assert math.isnan(absent.iou)
    (false,) = instance_scores(something, nothing, ["a"])
    assert (false.dice, false.iou) == (0.0, 0.0)
    assert math.isnan(false.hd95_px)
    assert instance_scores(nothing[:0], nothing[:0], []) == []


def test_rows_name_the_instance_and_survive_the_file(tmp_path) -> None:
    truths = masks((0, 0, 10, 10), (5, 5, 9, 9))
    scores = instance_scores(truths, truths, ["ship", "tire"])
    rows = instance_rows(scores, [901, "x"], RUN, case="7", patient="video 1")
    found = [(r.case, r.patient, r.organ, r.instance, r.protocol, r.prompts) for r in rows]
    assert found == [
        ("7", "video 1", "ship", "901", "clinical", "box"),
        ("7", "video 1", "tire", "x", "clinical", "box"),
    ]
    write_csv(rows, tmp_path / "metrics.csv")
    assert repr(read_csv(tmp_path / "metrics.csv")) == repr(rows)


def test_what_is_no_pair_of_masks_is_refused() -> None:
    truths = masks((0, 0, 10, 10))
    with pytest.raises(CobotError, match=r"predictions \(1, 20, 29\), truths \(1, 20, 30\) and 1"):
        instance_scores(truths[:, :, 1:], truths, ["a"])
    with pytest.raises(CobotError, match="and 2 classes must be"):
        instance_scores(truths, truths, ["a", "b"])
    with pytest.raises(CobotError, match="the predictions are of type float32: give masks"):
        instance_scores(truths.astype(np.float32), truths, ["a"])
