"""The organs' names beside a slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import ndimage

from monai_cobot.metrics import palette
from monai_cobot.metrics.volume import ScoredOrgan

_LINE = 0.055  # least distance of two names, as a share of the height


def name_organs(
    axes: Axes,
    true: NDArray[Any],
    predicted: NDArray[Any],
    organs: Sequence[ScoredOrgan],
    window: tuple[float, float, float, float],
) -> None:
    """Write names beside the slice, on the organ's side, spaced out, with a line to the organ.

    Args:
        axes: shows the slice, x = column and y = row in pixel edges.
        true: (H, W) integers, slice frame.
        predicted: (H, W) integers, slice frame.
        organs: label and name of the organs; those on neither are left out.
        window: top, bottom, left and right of what is shown, in pixel edges.
    """
    top, bottom, left, right = window
    sides: dict[bool, list[tuple[float, float, str]]] = {False: [], True: []}
    for organ in organs:
        t, p = true == organ.label, predicted == organ.label
        if not (t | p).any():
            continue
        row, column = innermost(t if t.any() else p)
        dice = 2 * (t & p).sum() / (t.sum() + p.sum())
        text = f"{palette.readable(organ.name)}  {dice:.2f}"
        sides[column > (left + right) / 2].append((row, column, text))
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
