"""Masks as a file in COCO's results format."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_cobot.errors import CobotError
from monai_cobot.transforms import RunLengths, coco_box
from monai_cobot.whole_file import whole_file

RESULTS = "coco_results.json"
TRUTH = "coco_truth.json"


def result_entries(
    image_id: int | str,
    categories: Sequence[int],
    runs: Sequence[RunLengths],
    quality: Sequence[float],
    scores: Sequence[float] | None = None,
) -> list[dict[str, Any]]:
    """Entries of COCO's results, one a mask of a picture.

    Args:
        image_id: of the picture.
        categories: category id of each mask.
        runs: the masks, slice frame.
        quality: the IoU that SAM predicts of each.
        scores: those of a detector; without them ``score`` is the quality.

    Returns:
        each ``image_id``, ``category_id``, ``segmentation`` (run lengths), ``bbox`` (x, y, width,
        height of the mask, not of the prompt), ``score`` and ``quality``.

    Raises:
        CobotError: a quality or score that is no number.
    """
    entries = []
    for category, run, own, score in zip(categories, runs, quality, scores or quality, strict=True):
        if not (math.isfinite(own) and math.isfinite(score)):
            raise CobotError(
                f"a mask of image {image_id} has the quality {own} and the score {score}: use a "
                "network that predicts the quality of its masks, as SAM does"
            )
        entries.append(
            {
                "image_id": image_id,
                "category_id": category,
                "segmentation": run,
                "bbox": coco_box(run),
                "score": float(score),
                "quality": float(own),
            }
        )
    return entries


def write_coco(content: Sequence[Any] | Mapping[str, Any], path: Path) -> None:
    """Writes results or a truth as JSON, whole or not at all."""
    text = json.dumps(content, allow_nan=False)
    with whole_file(path) as file:
        file.write_text(text + "\n", encoding="utf-8")
