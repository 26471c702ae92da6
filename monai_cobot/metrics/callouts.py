"""The targets' names beside a slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import ndimage

from monai_cobot.metrics import palette

_LINE = 0.055  # least distance of two names, as a share of the height
_MOST = int(1 / _LINE)  # names that fit on a side


class Target(NamedTuple):
    """What is drawn of one organ or instance: its name and two masks (H, W), slice frame.

    ``note`` stands behind its name; without one it is the Dice.
    """

    name: str
    true: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    note: str | None = None


def name_targets(
    axes: Axes, targets: Sequence[Target], window: tuple[float, float, float, float]
) -> int:
    """Write names beside the slice, on the target's side, spaced out, with a line to the target.

    Args:
        axes: shows the slice, x = column and y = row in pixel edges.
        targets: those without a pixel are left out; of more than fit the largest are named.
        window: top, bottom, left and right of what is shown, in pixel edges.

    Returns:
        how many have a pixel, but no name.
    """
    top, bottom, left, right = window
    sides: dict[bool, list[tuple[float, float, str]]] = {False: [], True: []}
    unnamed = 0
    for target in sorted(targets, key=lambda target: -int((target.true | target.predicted).sum())):
        true, predicted = target.true, target.predicted
        if not (true | predicted).any():
            continue
        row, column = innermost(true if true.any() else predicted)
        side = sides[column > (left + right) / 2]
        if len(side) == _MOST:
            unnamed += 1
            continue
        dice = 2 * (true & predicted).sum() / (true.sum() + predicted.sum())
        note = f"{dice:.2f}" if target.note is None else target.note
        side.append((row, column, f"{palette.readable(target.name)}  {note}"))
    for on_right, names in sides.items():
        names.sort()
        edge = right if on_right else left
        heights = spread([(row - top) / (bottom - top) for row, _, _ in names])
        outside = (8 if on_right else -8, 0)
        for height, (row, column, text) in zip(heights, names, strict=True):
            axes.annotate(
                text,
                (edge, top + height * (bottom - top)),
                xytext=outside,
                textcoords="offset points",
                ha="left" if on_right else "right",
                va="center",
                color="white",
                fontsize=10,
                annotation_clip=False,
            )
            axes.plot(
                [edge, column],
                [top + height * (bottom - top), row],
                color="white",
                linewidth=0.5,
                alpha=0.6,
                clip_on=False,
                marker="o",
                markevery=[1],
                markersize=2.5,
            )
    return unnamed


def innermost(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """The middle of the mask's innermost pixel: (row, column)."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), mask.shape)
    return float(row) + 0.5, float(column) + 0.5


def spread(heights: list[float]) -> list[float]:
    """Move sorted heights (0 top, 1 bottom) apart to `_LINE`, the least way, within the slice."""
    # Isotonic in what is left after the spacing: pool neighbours that are too close.
    pools: list[tuple[float, int]] = []
    for index, height in enumerate(heights):
        total, count = height - index * _LINE, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            total, count = total + pools[-1][0], count + pools[-1][1]
            pools.pop()
        pools.append((total, count))
    levels = [total / count for total, count in pools for _ in range(count)]
    last = 1 - _LINE * (len(heights) - 1)
    return [min(max(level, 0.0), last) + i * _LINE for i, level in enumerate(levels)]
