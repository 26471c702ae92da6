"""The summary as a table on the terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monai_cobot.metrics import palette
from monai_cobot.metrics.organ_table import OrganTable
from monai_cobot.metrics.table import CLINICAL, series_name

_LOG_WIDTH = 140  # columns where the output is no terminal and so has no width of its own
_TELLING = ("sam", "weights", "image_size", "box_jitter", "split_by", "split_hash")
_TITLES = {
    "clinical": "Dice per organ and volume: mean ± deviation over cases",
    "paper": "Paper's protocol: Dice per organ, slices pooled",
}
_TITLES_OF_PICTURES = {
    "clinical": "Dice and IoU per class: mean ± deviation over instances",
    "paper": "Paper's protocol: Dice per class, exact boxes, over instances",
}


def scores_table(summary: Mapping[str, Any], protocol: str = CLINICAL) -> Table:
    """Lay out organs x methods: Dice as mean ± deviation, the cases that have the organ.

    Of pictures: classes x methods, over instances, with the mean IoU beside the Dice.

    Args:
        summary: what :func:`monai_cobot.metrics.summarise` gives.
        protocol: `clinical` or `paper`.

    Returns:
        a table that ends in the means over the organs, Dice and IoU (of pictures in two lines: over
        the classes and over all instances, so that their IoU are the two mIoU); `n` is the number
        of cases with the organ in truth or prediction, or of instances of the class (of the first
        method that has it), and a missed or falsely found organ is counted in brackets behind its
        Dice.
    """
    groups = [group for group in summary["groups"] if group["protocol"] == protocol]
    pictures = any(group["instances"] for group in groups)
    title = (_TITLES_OF_PICTURES if pictures else _TITLES).get(protocol, protocol)
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("class" if pictures else "organ", no_wrap=True)
    counted = protocol == CLINICAL
    if counted:
        table.add_column("n", justify="right")
    for heading in _headings(groups):
        for column in (f"{heading}: Dice", "IoU") if pictures else (heading,):
            table.add_column(column, justify="right")
    for organ in dict.fromkeys(organ for group in groups for organ in group["organs"]):
        entries = [group["organs"].get(organ) for group in groups]
        first = next(entry for entry in entries if entry is not None)
        count = [str(first["n"])] if counted else []
        cells = [cell for entry in entries for cell in _cells(entry, pictures)]
        table.add_row(palette.readable(organ), *count, *cells)
    table.add_section()
    for name, means in _means(groups, pictures):
        table.add_row(name, *([""] if counted else []), *means, style="bold")
    return table


def _means(groups: Sequence[Mapping[str, Any]], pictures: bool) -> Iterator[tuple[str, list[str]]]:
    """The last lines: what is averaged over, and the values."""
    if pictures:
        for key, over in (("mean_over_organs", "classes"), ("mean_over_rows", "instances")):
            pairs = [(_value(group[key]["dice"]), _mean(group[key]["iou"])) for group in groups]
            yield f"mean over {over}", [value for pair in pairs for value in pair]
        return
    for score, unit in (("dice", ""), ("iou", "IoU, ")):
        values = [_value(group["mean_over_organs"][score]) for group in groups]
        yield f"{unit}mean over organs", values


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


def _cells(entry: Mapping[str, Any] | None, pictures: bool) -> list[str]:
    """Dice of an organ, and of a class of pictures its IoU."""
    if entry is None:
        return ["–"] * (1 + pictures)
    return [_organ(entry), *([_mean(entry["iou"])] if pictures else [])]


def _organ(entry: Mapping[str, Any]) -> str:
    missed = f" (−{entry['n_missed']})" if entry["n_missed"] else ""
    false = f" (+{entry['n_false']})" if entry["n_false"] else ""
    return _value(entry["dice"]) + missed + false


def _mean(score: Mapping[str, Any]) -> str:
    """The mean alone; a dash for no value."""
    return _value({**score, "std": None})


def _value(score: Mapping[str, Any]) -> str:
    """Mean ± deviation; the deviation only where there is one, a dash for no value."""
    mean, std = (math.nan if score[name] is None else score[name] for name in ("mean", "std"))
    if math.isnan(mean):
        return "–"
    return f"{mean:.3f}" if math.isnan(std) else f"{mean:.3f} ± {std:.3f}"
