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
from monai_cobot.metrics.organ_table import OrganTable
from monai_cobot.metrics.table import CLINICAL, series_name

_LOG_WIDTH = 140  # columns where the output is no terminal and so has no width of its own
_TELLING = ("sam", "weights", "image_size", "box_jitter", "split_by", "split_hash")
_INSTANCES = "Dice per class: mean ± deviation over instances"
_TITLES = {
    "clinical": "Dice per organ and volume: mean ± deviation over cases",
    "paper": "Paper's protocol: Dice per organ, slices pooled",
}


def scores_table(summary: Mapping[str, Any], protocol: str = CLINICAL) -> Table:
    """Lay out organs x methods: Dice as mean ± deviation, the cases that have the organ.

    Of pictures: classes x methods, over instances.

    Args:
        summary: what :func:`monai_cobot.metrics.summarise` gives.
        protocol: `clinical` or `paper`.

    Returns:
        a table that ends in the means over the organs (of pictures over all instances too), Dice
        and IoU; `n` is the number of cases with the organ in truth or prediction, or of instances
        of the class (of the first method that has it), and a missed or falsely found organ is
        counted in brackets behind its Dice.
    """
    groups = [group for group in summary["groups"] if group["protocol"] == protocol]
    pictures = any(group["instances"] for group in groups)
    title, organ_name = _TITLES.get(protocol, protocol), "organ"
    if pictures:
        title, organ_name = _INSTANCES, "class"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(organ_name, no_wrap=True)
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
    plural = "classes" if pictures else "organs"
    means = [("mean_over_organs", f"mean over {plural}")]
    means += [("mean_over_rows", "mean over instances")] if pictures else []
    for key, name in means:
        for score, unit in (("dice", ""), ("iou", "IoU, ")):
            values = [_value(group[key][score]) for group in groups]
            table.add_row(unit + name, *([""] if counted else []), *values, style="bold")
    return table


def print_scores(
    summary: Mapping[str, Any], console: Console | None = None, protocol: str = CLINICAL
) -> None:
    """Print :func:`scores_table`, with what an organ that was missed means, if one was."""
    console = console or Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    console.print(scores_table(summary, protocol))
    groups = [group for group in summary["groups"] if group["protocol"] == protocol]
    if any(organ["n_missed"] for group in groups for organ in group["organs"].values()):
        what = "k cases have the organ, and"
        if any(group["instances"] for group in groups):
            what = "of k instances"
        console.print(Text(f"(−k): {what} the prediction is empty: Dice 0"))
    if any(organ["n_false"] for group in groups for organ in group["organs"].values()):
        console.print(Text("(+k): k more do not have the organ, but the prediction has: Dice 0"))


def print_organ_table(table: OrganTable, console: Console | None = None) -> None:
    """Print a comparison: the last two lines are the mean over the organs and the seeds."""
    console = console or Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    (organ, *columns), *lines = table.lines()
    view = Table(title=table.caption, title_justify="left", title_style="bold")
    view.add_column(organ, no_wrap=True)
    for column in columns:
        view.add_column(column, justify="right")
    for index, line in enumerate(lines):
        view.add_row(*line, end_section=index == len(lines) - 3)
    console.print(view)


def _headings(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Method of each group; where two share it, with what tells them apart."""
    names = [
        series_name(group["method"], group["orchestrate"], group["prompts"]) for group in groups
    ]
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
    false = f" (+{entry['n_false']})" if entry["n_false"] else ""
    return _value(entry["dice"]) + missed + false


def _value(score: Mapping[str, Any]) -> str:
    """Mean ± deviation; the deviation only where there is one, a dash for no value."""
    mean, std = (math.nan if score[name] is None else score[name] for name in ("mean", "std"))
    if math.isnan(mean):
        return "–"
    return f"{mean:.3f}" if math.isnan(std) else f"{mean:.3f} ± {std:.3f}"
