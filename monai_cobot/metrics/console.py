"""The summary as a table on the terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monai_cobot.metrics import palette
from monai_cobot.metrics.table import CLINICAL, series_name

_LOG_WIDTH = 140  # columns where the output is no terminal and so has no width of its own
_TELLING = ("sam", "weights", "image_size", "box_jitter", "prompts", "split_by", "split_hash")
_TITLES = {
    "clinical": "Dice per organ and volume: mean ± deviation over cases",
    "paper": "Paper's protocol: Dice per organ, slices pooled",
}


def scores_table(summary: Mapping[str, Any], protocol: str = CLINICAL) -> Table:
    """Lay out organs x methods: Dice as mean ± deviation, the cases that have the organ.

    Args:
        summary: what :func:`monai_cobot.metrics.summarise` gives.
        protocol: `clinical` or `paper`.

    Returns:
        a table whose last row is the mean over the organs; `n` is the number of cases with the
        organ in truth or prediction (of the first method that has it), and a missed organ is
        counted in brackets behind its Dice.
    """
    groups = [group for group in summary["groups"] if group["protocol"] == protocol]
    table = Table(title=_TITLES.get(protocol, protocol), title_justify="left", title_style="bold")
    table.add_column("organ", no_wrap=True)
    counted = protocol == CLINICAL
    if counted:
        table.add_column("n", justify="right")
    for heading in _headings(groups):
        table.add_column(heading, justify="right")
    for organ in dict.fromkeys(organ for group in groups for organ in group["organs"]):
        entries = [group["organs"].get(organ) for group in groups]
        first = next(entry for entry in entries if entry is not None)
        count = [str(first["n"])] if counted else []
        table.add_row(palette.readable(organ), *count, *map(_organ, entries))
    table.add_section()
    means = [_value(group["mean_over_organs"]["dice"]) for group in groups]
    table.add_row("mean over organs", *([""] if counted else []), *means, style="bold")
    return table


def print_scores(
    summary: Mapping[str, Any], console: Console | None = None, protocol: str = CLINICAL
) -> None:
    """Print :func:`scores_table`, with what an organ that was missed means, if one was."""
    console = console or Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    console.print(scores_table(summary, protocol))
    missed = sum(
        organ["n_missed"]
        for group in summary["groups"]
        if group["protocol"] == protocol
        for organ in group["organs"].values()
    )
    if missed:
        console.print(Text("(−k): k cases have the organ, and the prediction is empty: Dice 0"))


def _headings(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Method of each group; where two share it, with what tells them apart."""
    names = [series_name(group["method"], group["orchestrate"]) for group in groups]
    headings = []
    for name, group in zip(names, groups, strict=True):
        alike = [other for n, other in zip(names, groups, strict=True) if n == name]
        telling = [key for key in _TELLING if len({str(other[key]) for other in alike}) > 1]
        headings.append(" ".join([name, *(str(group[key])[:24] for key in telling)]))
    return headings


def _organ(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "–"
    missed = f" (−{entry['n_missed']})" if entry["n_missed"] else ""
    return _value(entry["dice"]) + missed


def _value(score: Mapping[str, Any]) -> str:
    """Mean ± deviation; the deviation only where there is one, a dash for no value."""
    mean, std = (math.nan if score[name] is None else score[name] for name in ("mean", "std"))
    if math.isnan(mean):
        return "–"
    return f"{mean:.3f}" if math.isnan(std) else f"{mean:.3f} ± {std:.3f}"
