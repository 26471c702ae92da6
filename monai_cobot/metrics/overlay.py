"""Picture of a case: truth, prediction and prompts on one slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from monai_cobot.errors import CobotError
from monai_cobot.metrics import palette
from monai_cobot.metrics.callouts import name_organs
from monai_cobot.metrics.choice import telling_slice
from monai_cobot.metrics.volume import ScoredOrgan
from monai_cobot.whole_file import whole_file

Prompts = Mapping[int, tuple[ArrayLike, ArrayLike]]
_DPI = 150
_INCHES = 6.0  # height of the slice
_AIR = 0.08 * 255  # pixels up to this are air (or lung)
_MARGIN = 0.03  # of the body's size, kept around it


def overlay(
    image: NDArray[Any],
    truth: NDArray[Any],
    prediction: NDArray[Any],
    prompts: Prompts,
    organs: Sequence[ScoredOrgan],
    path: str | Path,
    *,
    title: str = "",
    pixel_spacing: tuple[float, float] | None = None,
    z: int | None = None,
    place: str = "",
) -> None:
    """Draw one slice: outlines of truth (solid) and prediction (dashed), boxes, organ names.

    The slice is cropped to the body. Every organ's name stands beside the slice with its Dice on
    this slice, and a line leads to it.

    Args:
        image: (Z, H, W), slice frame, 0..255.
        truth: (Z, H, W) integers, slice frame.
        prediction: (Z, H, W) integers, slice frame.
        prompts: slice number -> (boxes (P, 4) XYXY in the slice frame, organs (P,)).
        organs: label and name of the organs.
        path: image file to write; the suffix says the format.
        title: headline, such as the case and its Dice.
        pixel_spacing: mm of a pixel down and across, for their right proportion; None if square.
        z: the slice to draw; None for :func:`telling_slice`.
        place: where it lies, for the headline; default "slice z of Z".

    Raises:
        CobotError: the shapes differ, or there is no such slice.
    """
    if not image.shape == truth.shape == prediction.shape or image.ndim != 3:
        raise CobotError(
            f"image {image.shape}, truth {truth.shape} and prediction {prediction.shape} must be "
            f"one (Z, H, W) to be drawn in {path}: give stacks of slices of one volume"
        )
    z = telling_slice(truth) if z is None else z
    if not 0 <= z < len(image):
        raise CobotError(f"slice {z} cannot be drawn in {path}: choose 0 to {len(image) - 1}")
    boxes = np.asarray(prompts[z][0] if z in prompts else [], dtype=float).reshape(-1, 4)
    window = _body(image[z], (truth[z] > 0) | (prediction[z] > 0), boxes)
    down, across = pixel_spacing or (1.0, 1.0)
    top, bottom, left, right = window
    ratio = (right - left) * across / ((bottom - top) * down)
    figure = Figure(figsize=(_INCHES * ratio + 4.4, _INCHES + 1.1), facecolor="black")
    FigureCanvasAgg(figure)
    width, height = figure.get_size_inches()
    axes = figure.add_axes((2.2 / width, 0.5 / height, _INCHES * ratio / width, _INCHES / height))
    axes.imshow(
        image[z],
        cmap="gray",
        vmin=0,
        vmax=255,
        aspect="auto",
        extent=(0, image.shape[2], image.shape[1], 0),
        interpolation="bilinear",
    )
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_axis_off()
    _outlines(axes, truth[z], organs, palette.TRUTH, 2.2, "solid")
    _outlines(axes, prediction[z], organs, palette.PREDICTION, 1.4, (0, (3, 1.5)))
    for x0, y0, x1, y1 in boxes:
        axes.add_patch(
            Rectangle(
                (x0, y0),
                x1 - x0,
                y1 - y0,
                fill=False,
                linewidth=0.7,
                edgecolor=palette.PROMPT,
                alpha=0.75,
            )
        )
    name_organs(axes, truth[z], prediction[z], organs, window)
    place = place or f"slice {z + 1} of {len(image)}"
    _legend(figure, f"{title}   {place}, with its Dice beside the names", bool(len(boxes)))
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, facecolor="black")


def _body(
    plane: NDArray[Any], target: NDArray[np.bool_], boxes: NDArray[Any]
) -> tuple[float, float, float, float]:
    """Top, bottom, left, right around everything that is not air, in pixel edges."""
    height, width = plane.shape
    parts, count = ndimage.label(plane > _AIR)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    # The largest part is the trunk; the table and the arms are parts of their own.
    trunk = parts == 1 + int(np.argmax(sizes[1:])) if count else np.zeros_like(target)
    rows, columns = (np.flatnonzero((trunk | target).any(axis=axis)) for axis in (1, 0))
    top, bottom = (rows[0], rows[-1] + 1) if len(rows) else (0, height)
    left, right = (columns[0], columns[-1] + 1) if len(columns) else (0, width)
    margin = _MARGIN * max(bottom - top, right - left)
    x = np.array([left - margin, right + margin, *boxes[:, [0, 2]].ravel()])
    y = np.array([top - margin, bottom + margin, *boxes[:, [1, 3]].ravel()])
    return (max(y.min(), 0), min(y.max(), height), max(x.min(), 0), min(x.max(), width))


def _outlines(
    axes: Axes,
    plane: NDArray[Any],
    organs: Sequence[ScoredOrgan],
    colour: str,
    width: float,
    style: Any,
) -> None:
    # Padded by one pixel, so that outlines close at the border; centres of pixels are at .5.
    columns = np.arange(-1, plane.shape[1] + 1) + 0.5
    rows = np.arange(-1, plane.shape[0] + 1) + 0.5
    for organ in organs:
        mask = np.pad(plane == organ.label, 1).astype(float)
        if mask.any():
            axes.contour(
                columns,
                rows,
                mask,
                levels=[0.5],
                colors=[colour],
                linewidths=width,
                linestyles=[style],
            )


def _legend(figure: Figure, headline: str, prompted: bool) -> None:
    lines = [
        Line2D([], [], color=palette.TRUTH, linewidth=2.2, label="truth"),
        Line2D(
            [],
            [],
            color=palette.PREDICTION,
            linewidth=1.4,
            linestyle=(0, (3, 1.5)),
            label="prediction",
        ),
    ]
    if prompted:
        lines.append(Line2D([], [], color=palette.PROMPT, linewidth=0.7, label="prompt box"))
    figure.legend(handles=lines, loc="lower center", ncols=3, frameon=False, labelcolor="white")
    figure.suptitle(headline.strip(), color="white", fontsize=12, y=0.975)
