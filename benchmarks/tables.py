"""The rows of the benchmarks as a table, as files to read on, and as a figure."""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import matplotlib
import torch
from harness import Row, Settings

matplotlib.use("Agg")
from matplotlib import pyplot

HEAD = ("what", "of", "peer", "ours", "ours / peer", "wall clock", "asked for", "")
OURS, OTHER, ASKED = "#1f5fa8", "#b04a2f", "#555555"
LEAST = 1e-2
"""The figure's smallest ratio: a thousandth would press all others together."""


def machine(settings: Settings) -> dict[str, Any]:
    """What the numbers depend on."""
    facts = {
        "processor": processor(), "cores": os.cpu_count(), "threads": settings.threads,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(), "torch": torch.__version__,
        "device": settings.device, "clock": settings.clock,
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    if settings.device.startswith("cuda"):
        facts["gpu"] = torch.cuda.get_device_name()
        facts["cuda"] = torch.version.cuda
    return facts


def processor() -> str:
    """The name of the processor, where the system tells."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write(folder: Path, rows: Sequence[Row], settings: Settings) -> str:
    """Write ``benchmarks.md``, ``.csv``, ``.json`` and ``.png``; give the table."""
    text = markdown(rows, settings)
    (folder / "benchmarks.md").write_text(text)
    with (folder / "benchmarks.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    content = {
        "machine": machine(settings), "settings": settings.to_dict(),
        "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    (folder / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n")
    draw(folder / "benchmarks.png", rows)
    return text


def markdown(rows: Sequence[Row], settings: Settings) -> str:
    """A line on the machine, and the table."""
    facts = ", ".join(f"{name} {value}" for name, value in machine(settings).items())
    lines = [HEAD, ["---"] * len(HEAD), *(cells(row) for row in rows)]
    warning = "Tiny problems, to see that everything runs: no measurement.\n\n"
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return (warning if settings.quick else "") + f"{facts}\n\n{table}"


def cells(row: Row) -> list[str]:
    """One line of the table."""
    ratio = f"{row.ratio:.3g}"
    if row.low != row.high:
        ratio += f" [{row.low:.3g}, {row.high:.3g}]"
    asked = "" if row.bound is None else f"<= {row.bound:.3g}{'' if met(row) else ', missed'}"
    return [
        row.name, row.variant, f"{row.peer:.4g} {row.unit}", f"{row.ours:.4g} {row.unit}", ratio,
        "" if row.wall is None else f"{row.wall:.3g}", asked, row.note,
    ]  # fmt: skip


def met(row: Row) -> bool:
    """Whether the ratio is what is asked of it."""
    return row.bound is None or row.ratio <= row.bound


def draw(file: Path, rows: Sequence[Row]) -> None:
    """Ratios with their intervals on a logarithmic axis, a line each; asked-for bounds as marks."""
    figure, axes = pyplot.subplots(figsize=(11, 1.2 + 0.26 * len(rows)), layout="constrained")
    for place, row in enumerate(rows):
        colour = OURS if met(row) else OTHER
        centre, low, high = (max(value, LEAST) for value in (row.ratio, row.low, row.high))
        axes.plot([low, high], [place, place], color=colour, linewidth=2.5, alpha=0.5)
        axes.plot(centre, place, "o" if row.ratio >= LEAST else "<", color=colour, markersize=5)
        if row.bound is not None:
            axes.plot(max(row.bound, LEAST), place, "|", color=ASKED, markersize=11)
    axes.axvline(1, color=ASKED, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [f"{row.name} · {row.variant}" for row in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("ours / peer, median with interval (95 %); bars: asked for")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(file, dpi=140)
    pyplot.close(figure)
