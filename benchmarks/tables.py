"""The rows of the benchmarks as a table, as files to read on, and as a figure."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import matplotlib
from harness import Row, Settings
from machine import PEERS, machine, missing

matplotlib.use("Agg")
from matplotlib import pyplot

HEAD = ("what", "of", "peer", "ours", "ours / peer", "wall clock", "asked for", "")
OURS, OTHER, GROWTH, MARK, ASKED = "#1f5fa8", "#b04a2f", "#4c4c4c", "#e0a000", "#555555"
LEAST = 1e-2
"""The figure's smallest ratio: a thousandth would press all others together."""


def write(folder: Path, rows: Sequence[Row], settings: Settings) -> str:
    """Write ``benchmarks.md``, ``.csv``, ``.json`` and ``.png``; give the table."""
    text = markdown(rows, settings)
    (folder / "benchmarks.md").write_text(text)
    with (folder / "benchmarks.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    content = {
        "machine": machine(settings.device), "clock": settings.clock,
        "settings": settings.to_dict(),
        "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    (folder / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n")
    draw(folder / "benchmarks.png", rows)
    return text


def markdown(rows: Sequence[Row], settings: Settings) -> str:
    """A line on the machine, and the table."""
    given = {"device": settings.device, "threads": settings.threads, "clock": settings.clock}
    facts = {**machine(settings.device), **given}
    lines = [HEAD, ["---"] * len(HEAD), *(cells(row) for row in rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    paragraphs = [", ".join(f"{name} {value}" for name, value in facts.items()), table]
    if settings.quick:
        paragraphs.insert(0, "Tiny problems, to see that everything runs: no measurement.")
    if absent := [PEERS[name] for name in missing()]:
        paragraphs.insert(1, f"Not installed, and left out: {', '.join(absent)}.")
    return "\n\n".join(paragraphs)


def cells(row: Row) -> list[str]:
    """One line of the table."""
    ratio = f"{row.ratio:.3g}"
    if row.low != row.high:
        ratio += f" [{row.low:.3g}, {row.high:.3g}]"
    return [
        row.name, row.variant, f"{row.peer:.4g} {row.unit}", f"{row.ours:.4g} {row.unit}", ratio,
        "" if row.wall is None else f"{row.wall:.3g}", asked(row), row.note,
    ]  # fmt: skip


def asked(row: Row) -> str:
    """The bound, and whether it is met: by the median, and by the whole interval."""
    if row.bound is None:
        return ""
    if row.ratio > row.bound:
        verdict = ", missed" if row.low > row.bound else ", missed, but for the interval"
    else:
        verdict = "" if row.high <= row.bound else ", the interval reaches above"
    return f"<= {row.bound:.3g}{verdict}"


def met(row: Row) -> bool:
    """Whether the median is what is asked of it."""
    return row.bound is None or row.ratio <= row.bound


def draw(file: Path, rows: Sequence[Row]) -> None:
    """Ratios to peers above, and what is no race below: how time grows, and the roof.

    Logarithmic axes, a line each with its interval; bounds that are asked for as marks.
    """
    panels = [
        ([row for row in rows if not row.growth], "ours / peer: left of 1 is better"),
        ([row for row in rows if row.growth], "how much more, or how much of what can be reached"),
    ]
    panels = [(shown, label) for shown, label in panels if shown]
    figure, found = pyplot.subplots(
        len(panels), squeeze=False, figsize=(11, 1.6 + 0.26 * len(rows)), layout="constrained",
        height_ratios=[len(shown) + 2 for shown, _ in panels],
    )  # fmt: skip
    for axes, (shown, label) in zip(found[:, 0], panels, strict=True):
        panel(axes, shown, label)
    figure.savefig(file, dpi=140)
    pyplot.close(figure)


def panel(axes: Any, rows: Sequence[Row], label: str) -> None:
    """One axis of the figure."""
    axes.axvline(1, color=ASKED, linewidth=0.8, zorder=0)
    for place, row in enumerate(rows):
        colour = OTHER if not met(row) else GROWTH if row.growth else OURS
        centre, low, high = (max(value, LEAST) for value in (row.ratio, row.low, row.high))
        axes.plot([low, high], [place, place], color=colour, linewidth=2.5, alpha=0.5)
        axes.plot(centre, place, "o" if row.ratio >= LEAST else "<", color=colour, markersize=5)
        axes.annotate(
            f"{row.ratio:.3g}", (max(high, row.bound or 0), place), (7, 0), fontsize=6.5,
            textcoords="offset points", verticalalignment="center", color=colour,
        )  # fmt: skip
        if row.bound is not None:
            axes.plot(max(row.bound, LEAST), place, "|", color=MARK, markersize=11, mew=2)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [f"{row.name} · {row.variant}" for row in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.12)
    marks = "; upright marks: asked for" if any(row.bound is not None for row in rows) else ""
    axes.set_xlabel(f"{label}\nmedian with interval (95 %){marks}", fontsize=8)
    axes.grid(axis="x", alpha=0.3)
