"""COCO's average precision of masks, by COCO's own program."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SUMMARY = (
    *("AP", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
)
"""What COCOeval sums up, in its order."""

CONVENTION = (
    "AP of masks as pycocotools' COCOeval (segm) gives it: mean over IoU 0.50 to 0.95 and over "
    "the categories that have instances; AP50, AP75 at one IoU; s, m, l: areas below 32², to 96², "
    "above; AR1, AR10, AR100: recall with so many results a picture and category; the score is "
    "SAM's predicted IoU; crowds are ignored as COCO does. With oracle boxes every instance is "
    "found by its own box, which is an upper bound that does not compare with a detector's AP"
)


def average_precision(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Average precision and recall of masks.

    As COCO's program does with a results file, the area of a result, by which APs, APm and APl
    choose, is that of its ``bbox`` where it has one.

    Args:
        truth: an instances file's content: ``images``, ``annotations``, ``categories``.
        results: a results file's content, with ``segmentation`` as run lengths.

    Returns:
        :data:`SUMMARY`'s names -> 0 to 1, and ``classes``: name of a category -> its AP. NaN where
        there is no instance, as of an area or a category; all are NaN without any result.
    """
    names = {category["id"]: category["name"] for category in truth["categories"]}
    if not results:
        nothing: dict[str, Any] = dict.fromkeys(SUMMARY, math.nan)
        return {**nothing, "classes": dict.fromkeys(names.values(), math.nan)}
    with redirect_stdout(io.StringIO()):  # it prints its progress
        coco = COCO()
        coco.dataset = copy.deepcopy(dict(truth))
        coco.createIndex()
        program = COCOeval(coco, coco.loadRes(copy.deepcopy([*results])), "segm")
        program.evaluate()
        program.accumulate()
        program.summarize()
    found: dict[str, Any] = {
        name: _known(value) for name, value in zip(SUMMARY, program.stats, strict=True)
    }
    # IoU x recall x category x area x results a picture; of all areas, and the most results.
    precision = program.eval["precision"][:, :, :, 0, -1]
    found["classes"] = {
        names[category]: _mean(precision[:, :, place])
        for place, category in enumerate(program.params.catIds)
    }
    return found


def _known(value: float) -> float:
    """COCOeval says -1 where there is nothing to say."""
    return math.nan if value < 0 else float(value)


def _mean(precision: np.ndarray[Any, Any]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else math.nan
