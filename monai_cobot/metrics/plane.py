"""One slice or picture with outlines of truth and prediction, boxes and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from monai_cobot.metrics import palette
from monai_cobot.metrics.callouts import Target, name_targets
from monai_cobot.whole_file import whole_file

_DPI = 150
_COMPRESSION = 4  # of zlib: half the time of the usual 6, and a tenth more bytes
_INCHES = 6.0  # height of the slice
_DASHES = (0, (3, 1.5))
_LONGEST = 6.0  # longest side of the drawing over its shortest


def draw_plane(
    image: NDArray[Any],
    targets: Sequence[Target],
    boxes: NDArray[Any],
    window: tuple[float, float, float, float],
    path: str | Path,
    headline: str,
    proportion: float = 1.0,
    truth: bool = True,
) -> None:
    """Draw outlines of truth (solid) and prediction (dashed), boxes, and names with Dice.

    Args:
        image: (H, W) or (H, W, 3), slice frame, 0..255.
        targets: the outlines and their names.
        boxes: (P, 4) XYXY, slice frame.
        window: top, bottom, left and right of what is shown, in pixel edges.
        path: image file to write; the suffix says the format.
        headline: what stands above.
        proportion: width of a pixel over its height, in mm.
        truth: whether there is one, for the legend.
    """
    top, bottom, left, right = window
    height, width = image.shape[:2]
    ratio = (right - left) * proportion / (bottom - top)
    ratio = min(max(ratio, 1 / _LONGEST), _LONGEST)  # a strip is drawn wider than it is
    figure = Figure(figsize=(_INCHES * ratio + 4.4, _INCHES + 1.1), facecolor="black")
    FigureCanvasAgg(figure)
    across, down = figure.get_size_inches()
    axes = figure.add_axes((2.2 / across, 0.5 / down, _INCHES * ratio / across, _INCHES / down))
    axes.imshow(
        image,
        cmap="gray",
        vmin=0,
        vmax=255,
        aspect="auto",
        extent=(0, width, height, 0),
        interpolation="bilinear",
    )
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_axis_off()
    _outlines(axes, [target.true for target in targets], palette.TRUTH, 2.2, "solid")
    _outlines(axes, [target.predicted for target in targets], palette.PREDICTION, 1.4, _DASHES)
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
    unnamed = name_targets(axes, targets, window)
    headline += f" ({unnamed} more unnamed)" if unnamed else ""
    _legend(figure, headline, len(boxes) > 0, truth)
    with whole_file(path) as temporary:
        figure.savefig(
            temporary, dpi=_DPI, facecolor="black", pil_kwargs={"compress_level": _COMPRESSION}
        )


def _outlines(
    axes: Axes, masks: Sequence[NDArray[np.bool_]], colour: str, width: float, style: Any
) -> None:
    for mask in masks:
        if not mask.any():
            continue
        # Cut out: a figure keeps what it draws, and many masks of a large picture would be much.
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        # Padded by one pixel, so that outlines close at the border; centres of pixels are at .5.
        axes.contour(
            np.arange(left - 1, right + 1) + 0.5,
            np.arange(top - 1, bottom + 1) + 0.5,
            np.pad(mask[top:bottom, left:right], 1).astype(float),
            levels=[0.5],
            colors=[colour],
            linewidths=width,
            linestyles=[style],
        )


def _legend(figure: Figure, headline: str, prompted: bool, truth: bool) -> None:
    lines = [Line2D([], [], color=palette.TRUTH, linewidth=2.2, label="truth")] if truth else []
    lines.append(
        Line2D(
            [], [], color=palette.PREDICTION, linewidth=1.4, linestyle=_DASHES, label="prediction"
        )
    )
    if prompted:
        lines.append(Line2D([], [], color=palette.PROMPT, linewidth=0.7, label="prompt box"))
    figure.legend(handles=lines, loc="lower center", ncols=3, frameon=False, labelcolor="white")
    figure.suptitle(headline.strip(), color="white", fontsize=12, y=0.975)
