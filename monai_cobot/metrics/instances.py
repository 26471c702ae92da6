"""Scores of a picture's masks against the truth, an instance at a time.

Conventions are those of `volume.py`. A picture has no spacing: what is in mm is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_cobot.errors import CobotError
from monai_cobot.metrics.table import BOX, CLINICAL, PAPER, Row, Run
from monai_cobot.metrics.volume import OrganScore, score_masks, union_box


def instance_scores(
    predictions: NDArray[Any], truths: NDArray[Any], classes: Sequence[str]
) -> list[OrganScore]:
    """Score one picture, instance by instance: prediction p answers the prompt of truth p.

    Args:
        predictions: (P, H, W) masks, bool or integer, slice frame.
        truths: (P, H, W) masks of the same picture; they may overlap.
        classes: (P,) names of their classes.

    Returns:
        one score an instance, in their order.

    Raises:
        CobotError: shapes differ, or the masks are no masks.
    """
    if predictions.shape != truths.shape or truths.ndim != 3 or len(classes) != len(truths):
        raise CobotError(
            f"predictions {predictions.shape}, truths {truths.shape} and {len(classes)} classes "
            "must be (P, H, W), (P, H, W) and P: give one mask a prompt, in the picture's pixels"
        )
    for name, masks in (("predictions", predictions), ("truths", truths)):
        if masks.dtype.kind not in "bui":
            raise CobotError(
                f"the {name} are of type {masks.dtype}: give masks, not probabilities or logits"
            )
    return [
        _score(prediction != 0, truth != 0, name)
        for prediction, truth, name in zip(predictions, truths, classes, strict=True)
    ]


def instance_rows(
    scores: Iterable[OrganScore],
    instances: Sequence[int | str],
    run: Run,
    *,
    case: str,
    patient: str,
    prompts: str = BOX,
) -> list[Row]:
    """Make the rows of one picture, one an instance; `instances` are their ids, in order."""
    place: dict[str, Any] = {
        "case": case,
        "patient": patient,
        "protocol": CLINICAL,
        "prompts": prompts,
    }
    return [
        Row(**place, instance=str(instance), **asdict(score), **asdict(run))
        for instance, score in zip(instances, scores, strict=True)
    ]


def paper_rows(rows: Iterable[Row]) -> list[Row]:
    """The rows of instances with exact boxes as the paper's protocol: Dice and IoU alone."""
    return [replace(row, protocol=PAPER, hd95_px=math.nan) for row in rows]


def _score(predicted: NDArray[np.bool_], true: NDArray[np.bool_], name: str) -> OrganScore:
    """One instance, cut out first: the distances take their time by the area."""
    boxes = [box for mask in (predicted, true) for box in ndimage.find_objects(mask.view(np.uint8))]
    region = union_box(boxes, true.shape) if boxes else (slice(0, 0),) * 2
    return score_masks(predicted[region], true[region], name, None, math.nan)
