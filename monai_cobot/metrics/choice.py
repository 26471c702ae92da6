"""Which cases, and which slice of a case, to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_cobot.metrics.table import CLINICAL, Row


def representative_cases(rows: Sequence[Row]) -> dict[str, str]:
    """Choose the best, the median and the worst case by mean clinical Dice over the organs.

    Args:
        rows: rows of `metrics.csv`; trivial answers and other protocols are left out.

    Returns:
        `best`, `median`, `worst` -> case, different cases each; with two cases no `median`, with
        one only `best`. Of equal cases the first by name is the better.
    """
    dice: dict[str, list[float]] = {}
    for row in rows:
        if row.protocol == CLINICAL and not row.trivial and row.dice == row.dice:
            dice.setdefault(row.case, []).append(row.dice)
    order = sorted(dice, key=lambda case: (-float(np.mean(dice[case])), case))
    chosen = {"best": 0, "median": len(order) // 2, "worst": len(order) - 1}
    places: dict[int, str] = {}
    for name in ("best", "worst", "median"):
        if order:
            places.setdefault(chosen[name], name)
    return {places[place]: order[place] for place in sorted(places)}


def telling_slice(truth: NDArray[Any]) -> int:
    """Choose the slice of (Z, H, W) with the most organs, and of those the most target."""
    organs = [len(np.unique(plane[plane > 0])) for plane in truth]
    area = np.count_nonzero(truth, axis=(1, 2))
    return int(np.lexsort((area, organs))[-1])
