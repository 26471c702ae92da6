"""The summary on the terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monai_cobot.segmentation.results import DONE, FAILED, SKIPPED, Summary

_LOG_WIDTH = 120


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Prints a row a case with the organs' volumes, then what failed and why."""
    console = console or Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    table = Table(title=f"Prompts: {summary.made_with['prompts']}", title_justify="left")
    table.add_column("case", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    table.add_column("organs, ml", overflow="fold")
    for case, result in summary.cases.items():
        organs = ", ".join(f"{organ} {ml:.1f}" for organ, ml in result.volumes_ml.items())
        if not organs and result.status != FAILED:
            organs = "none found"
        table.add_row(Text(case), result.status, f"{result.seconds:.1f}", Text(organs))
    console.print(table)
    noted: dict[str, list[str]] = {}
    for case, result in summary.cases.items():
        for note in result.notes:
            noted.setdefault(note, []).append(case)
    for note, cases in noted.items():
        console.print(Text(f"{', '.join(cases)}: {note}"), soft_wrap=True)
    for case, result in summary.cases.items():
        if result.error:
            console.print(Text(f"{case} failed: {result.error}", style="red"), soft_wrap=True)
    counts = [(len(summary.named(status)), status) for status in (DONE, SKIPPED, FAILED)]
    console.print(", ".join(f"{count} {status}" for count, status in counts if count))
