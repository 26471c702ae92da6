"""Boxes in text files, a line each: ``(x1,y1),(x2,y2),class`` (NWPU VHR-10)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from monai_cobot.errors import CobotError

SAME_BOX = 0.5
"""Intersection over union from which a box of the text and one of the JSON are the same object:
outlines were drawn anew and differ by some pixels, neighbouring objects overlap far less."""

_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_LINE = re.compile(rf"\({_NUMBER},{_NUMBER}\)\s*,\s*\({_NUMBER},{_NUMBER}\)\s*,\s*(\d+)")


@dataclass(frozen=True)
class TextBox:
    """A box [x0, y0, x1, y1] (pixels of the slice frame) and its class, counted from 1."""

    label: int
    box: list[float]


def read_text_boxes(path: str | Path, classes: int) -> list[TextBox]:
    """Boxes of a file, in its order; empty lines are none.

    The two corners are taken as edges, as they stand: whether the second is a pixel within the box
    is nowhere said, a pixel at most is in doubt.

    Args:
        path: the file.
        classes: how many there are.

    Raises:
        CobotError: missing; a line of another form; a class that is not 1 to ``classes``.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise CobotError(f"{path} does not exist: check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CobotError(f"{path} is not readable as text ({error}): copy it again") from None
    found = []
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            if line.strip():
                raise CobotError(
                    f"{path}, line {number}: {line!r} is no '(x1,y1),(x2,y2),class': mend it"
                )
            continue
        label = int(match[5])
        if not 1 <= label <= classes:
            raise CobotError(
                f"{path}, line {number}: class {label} is not among 1 to {classes}: mend it"
            )
        found.append(TextBox(label, [float(match[i]) for i in range(1, 5)]))
    return found


def match_boxes(
    first: Sequence[Sequence[float]],
    first_labels: Sequence[int],
    second: Sequence[Sequence[float]],
    second_labels: Sequence[int],
) -> list[tuple[int, int]]:
    """Pairs of one object in two lists: same class, overlap of SAME_BOX or more, best sum first.

    Args:
        first: boxes [x0, y0, x1, y1].
        first_labels: their classes.
        second: boxes of the other list, in the same frame.
        second_labels: their classes.

    Returns:
        places in the first and in the second list; each place at most once.
    """
    if not first or not second:
        return []
    overlap = _overlaps(np.asarray(first, float), np.asarray(second, float))
    overlap *= np.asarray(first_labels)[:, None] == np.asarray(second_labels)[None]
    pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
    return [(int(i), int(j)) for i, j in pairs if overlap[i, j] >= SAME_BOX]


def _overlaps(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [
        np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)
    ]
    union = areas[0][:, None] + areas[1][None] - shared
    overlaps: NDArray[Any] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps
