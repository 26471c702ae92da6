"""The Dice of every organ as a box plot, models beside the trivial answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from monai_cobot.errors import CobotError
from monai_cobot.metrics import palette
from monai_cobot.metrics.table import CLINICAL, Row
from monai_cobot.whole_file import whole_file

_DPI = 150
_BAND = 0.8  # share of an organ's height that its boxes fill
_LEGEND = 4  # names beside each other
_FEW = 5  # up to so many cases the points say all, and a box would pretend more


def dice_box_plot(rows: Sequence[Row], path: str | Path, title: str = "") -> None:
    """Draw one line of boxes an organ: the clinical Dice of every method, over the cases.

    Each case, or of pictures each instance, is a dot; boxes (quartiles, median, whiskers to the
    extremes) appear for more than five. An organ that no case has keeps its line, with "absent" on
    it.

    Args:
        rows: rows of `metrics.csv`; those of other protocols are left out.
        path: image file to write, such as `dice.png`; the suffix says the format.
        title: headline.

    Raises:
        CobotError: no clinical row.
    """
    rows = [row for row in rows if row.protocol == CLINICAL]
    if not rows:
        raise CobotError(f"no clinical rows to draw in {path}: run the evaluation first")
    organs = list(dict.fromkeys(row.organ for row in rows))
    colours = _colours(rows)
    thickness = _BAND / len(colours)
    inch = min(0.16 * len(colours), 0.3 + 0.06 * len(colours)) + 0.16  # many series: closer
    figure = Figure(figsize=(8.0, 1.5 + inch * len(organs)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for line, organ in enumerate(organs):
        values = [
            [r.dice for r in rows if (r.organ, r.series) == (organ, series) and r.dice == r.dice]
            for series in colours
        ]
        for index, (dice, colour) in enumerate(zip(values, colours.values(), strict=True)):
            middle = line - _BAND / 2 + (index + 0.5) * thickness
            _draw(axes, dice, middle, thickness, colour)
        if not any(values):
            axes.text(0.5, line, "absent", color="0.45", ha="center", va="center", style="italic")
    _frame(axes, organs)
    patches = [Patch(facecolor=colour, label=series) for series, colour in colours.items()]
    columns = min(len(patches), _LEGEND)
    figure.legend(handles=patches, loc="outside lower center", ncols=columns, frameon=False)
    axes.set_title(title or _title(rows), loc="left")
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)


def _title(rows: Sequence[Row]) -> str:
    """What is shown, and of how many."""
    cases = len({row.case for row in rows})
    instances = len({(row.case, row.instance) for row in rows if row.instance})
    if not instances:
        return f"Dice per organ, {cases} case{'s' * (cases != 1)}"
    pictures = f"{cases} picture{'s' * (cases != 1)}"
    return f"Dice per class, {instances} instance{'s' * (instances != 1)} in {pictures}"


def _colours(rows: Sequence[Row]) -> dict[str, str]:
    """A colour a series, models first, in the order of the rows."""
    models = dict.fromkeys(row.series for row in rows if not row.trivial)
    trivial = {row.series: palette.TRIVIAL[row.method] for row in rows if row.trivial}
    cycle = palette.MODELS
    return {name: cycle[i % len(cycle)] for i, name in enumerate(models)} | trivial


def _draw(axes: Axes, dice: list[float], middle: float, thickness: float, colour: str) -> None:
    """One organ and method: box and dots, the dots spread a little, the same at every call."""
    if len(dice) > _FEW:
        axes.boxplot(
            [dice],
            positions=[middle],
            widths=0.8 * thickness,
            orientation="horizontal",
            whis=(0, 100),
            showfliers=False,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": colour, "edgecolor": "0.2", "linewidth": 0.8, "alpha": 0.75},
            medianprops={"color": "black", "linewidth": 1.6},
            whiskerprops={"color": "0.2", "linewidth": 0.8},
            capprops={"color": "0.2", "linewidth": 0.8},
        )
    elif dice:
        axes.plot([min(dice), max(dice)], [middle] * 2, color=colour, linewidth=1.2, alpha=0.6)
    golden = (math.sqrt(5) - 1) / 2
    spread = (np.arange(len(dice)) * golden % 1 - 0.5) * 0.5 * thickness * (len(dice) > _FEW)
    size, edge = (9, 0.4) if len(dice) > _FEW else (26, 0.5)
    axes.scatter(
        dice, middle + spread, s=size, color=colour, edgecolors="0.15", linewidths=edge, zorder=3
    )


def _frame(axes: Axes, organs: Sequence[str]) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(len(organs) - 0.5, -0.5)
    axes.set_yticks(range(len(organs)), [palette.readable(organ) for organ in organs])
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_xlabel("Dice")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.88", linewidth=0.8)
    axes.set_axisbelow(True)
    for line in range(1, len(organs), 2):
        axes.axhspan(line - 0.5, line + 0.5, color="0.96", zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
