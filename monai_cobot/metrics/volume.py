"""Scores of one label map against the truth, an organ at a time, in native geometry.

Conventions (repeated in `metrics.json`, see :data:`CONVENTIONS`); iou is as dice:

==============================  ====  ============  ============
truth / prediction              dice  surface_dice  hd95
==============================  ====  ============  ============
absent / absent                 NaN   NaN           NaN
present / empty ("missed")      0     0             inf
absent / predicted ("false")    0     0             NaN
present / present               by their definitions
==============================  ====  ============  ============

Without a spacing (PNG images) everything in mm is NaN and ``hd95_px`` is still filled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_cobot.errors import CobotError
from monai_cobot.metrics import surface

CONVENTIONS = {
    "absent": "absent in truth and prediction: dice, iou, surface_dice and hd95 are NaN (empty in "
    "the CSV, null in the JSON); counted in n_absent, in no mean",
    "missed": "present in the truth, prediction empty: dice 0, iou 0, surface_dice 0, hd95 inf; "
    "counted in n_missed; its hd95 is in no mean",
    "false": "absent in the truth but predicted: dice 0, iou 0, surface_dice 0, hd95 NaN; counted "
    "in n_false",
    "surface": "voxels of the mask with a face neighbour outside of it; distances between voxel "
    "centres; surface_dice is the share of both surfaces within surface_tolerance_mm of the other",
    "hd95": "the larger of the two directed 95th percentiles of the surface distances; hd95_mm in "
    "mm, hd95_px in voxels (spacing 1)",
    "slices": "dice_present_slices is the Dice over the slices whose truth has the organ; "
    "false_ml_absent_slices the volume in ml that is predicted on the others; empty for pictures",
    "spacing": "images without a spacing (PNG): surface_dice and hd95_mm are empty, hd95_px is "
    "filled",
}


class ScoredOrgan(Protocol):
    """What the scores need to know of an organ; `monai_cobot.data` has the tables."""

    @property
    def label(self) -> int:
        """Its integer in the label map, above 0."""

    @property
    def name(self) -> str:
        """Its name in every table."""

    @property
    def surface_tolerance_mm(self) -> float:
        """The deviation in mm that the surface Dice forgives."""


@dataclass(frozen=True)
class OrganScore:
    """The scores of one organ in one volume; what cannot be said is NaN."""

    organ: str
    dice: float
    iou: float
    surface_dice: float
    surface_tolerance_mm: float
    hd95_mm: float
    hd95_px: float
    true_voxels: int
    predicted_voxels: int
    dice_present_slices: float = math.nan
    false_ml_absent_slices: float = math.nan


def organ_scores(
    prediction: NDArray[Any],
    truth: NDArray[Any],
    organs: Sequence[ScoredOrgan],
    spacing: Sequence[float] | None,
    slice_axis: int | None = None,
) -> list[OrganScore]:
    """Score a label map, organ by organ.

    Args:
        prediction: (X, Y, Z) or (H, W) integers, any frame, that of `truth`.
        truth: the same shape, integers.
        organs: the organs to score; other labels are background.
        spacing: mm along each axis of the arrays, or None where there is none.
        slice_axis: axis of the slices, for what is said of slices with and without the organ.

    Returns:
        one score an organ, in the order of `organs`.

    Raises:
        CobotError: shapes differ, the label maps are not integer, the spacing does not fit.
    """
    _check(prediction, truth, spacing)
    highest = max((organ.label for organ in organs), default=0)
    found = [ndimage.find_objects(labels, max_label=highest) for labels in (prediction, truth)]
    scores = []
    for organ in organs:
        boxes = [box for box in (places[organ.label - 1] for places in found) if box is not None]
        region = union_box(boxes, truth.shape) if boxes else (slice(0, 0),) * truth.ndim
        masks = prediction[region] == organ.label, truth[region] == organ.label
        score = score_masks(*masks, organ.name, spacing, organ.surface_tolerance_mm)
        if slice_axis is not None and spacing is not None:
            dice, false_ml = _slice_scores(*masks, spacing, slice_axis)
            score = replace(score, dice_present_slices=dice, false_ml_absent_slices=false_ml)
        scores.append(score)
    return scores


def _slice_scores(
    predicted: NDArray[np.bool_], true: NDArray[np.bool_], spacing: Sequence[float], axis: int
) -> tuple[float, float]:
    """Dice on slices with the organ, ml on those without; the masks hold all of its voxels."""
    others = tuple(other for other in range(true.ndim) if other != axis)
    present = true.any(axis=others)
    voxels = predicted.sum(axis=others)
    inside, outside = int(voxels[present].sum()), int(voxels[~present].sum())
    common, n_true = int((predicted & true).sum()), int(true.sum())
    dice = 2 * common / (inside + n_true) if n_true else math.nan
    return dice, outside * float(np.prod(np.asarray(spacing, float))) / 1000


def _check(prediction: NDArray[Any], truth: NDArray[Any], spacing: Sequence[float] | None) -> None:
    if prediction.shape != truth.shape:
        raise CobotError(
            f"the prediction has shape {prediction.shape}, the truth {truth.shape}: bring the "
            "prediction back to the geometry of the truth before scoring it"
        )
    for name, labels in (("prediction", prediction), ("truth", truth)):
        if not np.issubdtype(labels.dtype, np.integer):
            raise CobotError(
                f"the {name} is of type {labels.dtype}: give an integer label map, not "
                "probabilities or logits"
            )
    if spacing is None:
        return
    values = [float(value) for value in spacing]
    if len(values) != truth.ndim or not all(math.isfinite(v) and v > 0 for v in values):
        raise CobotError(
            f"spacing {values} does not fit an array of {truth.ndim} axes: give one positive "
            "number of mm an axis, or None"
        )


def union_box(boxes: Sequence[tuple[slice, ...]], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Give the box around all boxes and one voxel more, within the array."""
    return tuple(
        slice(max(min(s.start for s in axis) - 1, 0), min(max(s.stop for s in axis) + 1, size))
        for axis, size in zip(zip(*boxes, strict=True), shape, strict=True)
    )


def score_masks(
    predicted: NDArray[np.bool_],
    true: NDArray[np.bool_],
    organ: str,
    spacing: Sequence[float] | None,
    tolerance: float,
) -> OrganScore:
    """Score one mask.

    Args:
        predicted: (X, Y, Z) or (H, W) mask, any frame, that of `true`.
        true: mask of the same shape.
        organ: name of the organ or class.
        spacing: mm along each axis, or None where there is none.
        tolerance: mm that the surface Dice forgives; not used without a spacing.
    """
    n_predicted, n_true = int(predicted.sum()), int(true.sum())
    dice = iou = surface_dice = hd95_mm = hd95_px = math.nan
    if n_predicted and n_true:
        # From integer counts, hence exact; MONAI's surface measures are float32.
        common = int((predicted & true).sum())
        dice = 2 * common / (n_predicted + n_true)
        iou = common / (n_predicted + n_true - common)
        hd95_px = surface.hd95(predicted, true, None)
        if spacing is not None:
            hd95_mm = surface.hd95(predicted, true, spacing)
            surface_dice = surface.surface_dice(predicted, true, spacing, tolerance)
    elif n_predicted or n_true:
        dice = iou = 0.0
        surface_dice = 0.0 if spacing is not None else math.nan
        if n_true:
            hd95_px = math.inf
            hd95_mm = math.inf if spacing is not None else math.nan
    return OrganScore(
        organ=organ,
        dice=dice,
        iou=iou,
        surface_dice=surface_dice,
        surface_tolerance_mm=float(tolerance),
        hd95_mm=hd95_mm,
        hd95_px=hd95_px,
        true_voxels=n_true,
        predicted_voxels=n_predicted,
    )
