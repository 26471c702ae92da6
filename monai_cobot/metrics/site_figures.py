"""Figures over the adapted sites of an encoder, from plain arrays: matrices, sets, numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from monai_cobot.errors import CobotError
from monai_cobot.metrics import palette
from monai_cobot.whole_file import whole_file

_DPI = 150
_PANEL = 4.2  # inches, side of a heat map
_DIVERGING = "RdBu_r"


def relation_heat_maps(
    matrices: Mapping[str, NDArray[Any]], sites: Sequence[str], path: str | Path
) -> None:
    """Draw what training made of relation matrices, S - I, a panel each with a scale of its own.

    White is 0, and a scale reaches as far to both sides as the panel's largest entry: the identity,
    from which S starts, would hide the rest. A panel's headline has :func:`row_mean_share`.

    Args:
        matrices: headline -> S (T, T); a row receives, a column gives.
        sites: T names.
        path: image file to write; the suffix says the format.

    Raises:
        CobotError: no matrix, or one that is not (T, T).
    """
    _check(matrices, {(len(sites), len(sites))}, path)
    figure = Figure(figsize=((_PANEL + 0.9) * len(matrices), _PANEL + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (headline, matrix) in zip(
        _panels(figure, 1, len(matrices)), matrices.items(), strict=True
    ):
        change = matrix - np.eye(len(sites))
        reach = float(np.abs(change).max()) or 1.0
        image = axes.imshow(change, cmap=_DIVERGING, vmin=-reach, vmax=reach)
        figure.colorbar(image, ax=axes, shrink=0.85)
        axes.set_title(f"{headline}\n{_share_in_words(change)}", loc="left", fontsize=9)
        axes.set_xlabel("gives")
        axes.set_ylabel("receives")
        axes.set_yticks(range(len(sites)), sites, fontsize=6)
        axes.set_xticks(range(len(sites)), sites, fontsize=6, rotation=90)
        axes.tick_params(length=0)
    _save(figure, path)


def row_mean_share(change: NDArray[Any]) -> float:
    """How much of a change of the relation matrix is one gain a row.

    The share of the squared Frobenius norm that the rows' means explain: 1 where all entries of a
    row changed alike, 1/T of random ones on average; NaN where nothing changed.

    Args:
        change: S - I, (T, T).
    """
    total = float(np.square(change).sum())
    apart = change - np.mean(change, axis=1, keepdims=True)
    return 1 - float(np.square(apart).sum()) / total if total else math.nan


def _share_in_words(change: NDArray[Any]) -> str:
    share = row_mean_share(change)
    return "S - I is 0" if math.isnan(share) else f"S - I; row means: {share:.1%} of its square"


def coefficient_figure(
    sets: Mapping[str, NDArray[Any]], sites: Sequence[str], path: str | Path, start: float = 1.0
) -> None:
    """Draw the coefficient sets of every site, a panel a kind: a dot a feature, a bar their mean.

    Args:
        sets: headline -> (T, V).
        sites: T names.
        path: image file to write.
        start: value of all coefficients before training, drawn as a dotted line.

    Raises:
        CobotError: no set, or one that has not T rows.
    """
    widths = {np.shape(values)[-1] for values in sets.values()}
    _check(sets, {(len(sites), width) for width in widths}, path)
    figure = Figure(figsize=(8.0, 1.9 * len(sets) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = _panels(figure, len(sets), 1, sharey=True)
    for axes, (headline, values) in zip(panels, sets.items(), strict=True):
        axes.axhline(start, color="0.6", linewidth=1, linestyle=":")
        places = np.repeat(np.arange(len(sites)), np.shape(values)[1])
        axes.scatter(places, np.ravel(values), s=14, color=palette.MODELS[0], alpha=0.6, lw=0)
        means, place = np.mean(values, axis=1), np.arange(len(sites))
        axes.hlines(means, place - 0.3, place + 0.3, color=palette.MODELS[3], linewidth=1.6)
        axes.set_title(headline, loc="left", fontsize=10)
        _site_axis(axes, sites)
    _save(figure, path)


def site_figure(
    series: Mapping[str, NDArray[Any]], sites: Sequence[str], path: str | Path, headline: str = ""
) -> None:
    """Draw a number a site, a colour a series, such as the heads' distances from orthogonal.

    Args:
        series: name -> (T,).
        sites: T names.
        path: image file to write.
        headline: what the numbers are.

    Raises:
        CobotError: no series, or one that has not T numbers.
    """
    _check(series, {(len(sites),)}, path)
    figure = Figure(figsize=(8.0, 3.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for index, (name, values) in enumerate(series.items()):
        colour = palette.MODELS[index % len(palette.MODELS)]
        places = np.arange(len(sites)) + 0.12 * (index - (len(series) - 1) / 2)
        axes.vlines(places, 0, values, color=colour, linewidth=1.2)
        axes.scatter(places, values, color=colour, s=26, label=name, zorder=3, clip_on=False)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set_title(headline, loc="left", fontsize=10)
    axes.legend(frameon=False)
    _site_axis(axes, sites)
    _save(figure, path)


def _panels(figure: Figure, rows: int, columns: int, sharey: bool = False) -> list[Axes]:
    return list(figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel())


def _site_axis(axes: Axes, sites: Sequence[str]) -> None:
    axes.set_xlim(-0.6, len(sites) - 0.4)
    axes.set_xticks(range(len(sites)), sites, fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _check(
    arrays: Mapping[str, NDArray[Any]], shapes: set[tuple[int, ...]], path: str | Path
) -> None:
    if not arrays:
        raise CobotError(f"nothing can be drawn in {path}: there is no array, give at least one")
    found = {name: np.shape(array) for name, array in arrays.items()}
    wrong = {name: shape for name, shape in found.items() if shape not in shapes}
    if wrong:
        expected = " or ".join(map(str, sorted(shapes)))
        raise CobotError(f"{path} cannot be drawn of shapes {wrong}: expected {expected}")


def _save(figure: Figure, path: str | Path) -> None:
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)
