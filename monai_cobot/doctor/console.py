"""A diagnosis as a table on the terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monai_cobot.doctor.findings import SEVERITIES, Diagnosis, Finding

STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


def print_diagnosis(
    diagnosis: Diagnosis, limit: int = 5, infos: bool = False, console: Console | None = None
) -> None:
    """Print a table of findings, ``limit`` of a code at the most, and a line that sums up.

    Args:
        diagnosis: what was found.
        limit: how many findings of one code are shown.
        infos: whether findings of severity "info" are shown.
        console: where to; the terminal.
    """
    console = console or Console()
    shown = [finding for finding in diagnosis.findings if infos or finding.severity != "info"]
    if shown:
        console.print(_table(shown, Path(diagnosis.folder), limit))
    console.print(_summary(diagnosis), soft_wrap=True)


def _table(findings: Sequence[Finding], folder: Path, limit: int) -> Table:
    table = Table(show_lines=True, expand=True)
    for name, ratio in (("code", None), ("file", 3), ("what", 5), ("what to do", 4)):
        table.add_column(name, ratio=ratio, overflow="fold")
    for (severity, code), group in groupby(findings, key=lambda f: (f.severity, f.code)):
        members = list(group)
        for finding in members[:limit]:
            where = finding.file or finding.case
            table.add_row(
                Text(code, style=STYLES[severity]),
                Text(_beside(where, folder)),
                Text(finding.what.replace(f"{folder}{os.sep}", "")),
                Text(finding.remedy),
            )
        if len(members) > limit:
            more = f"and {len(members) - limit} more of these, see --limit and --json"
            table.add_row(Text(code, style=STYLES[severity]), "", Text(more, style="italic"), "")
    return table


def _beside(where: str, folder: Path) -> str:
    """A path from the dataset's folder; the folder's own name where it is the folder."""
    path = Path(where)
    if where and path.is_relative_to(folder):
        return str(path.relative_to(folder)) if path != folder else folder.name
    return where


def _summary(diagnosis: Diagnosis) -> Text:
    counts = {severity: diagnosis.count(severity) for severity in SEVERITIES}
    words = ", ".join(
        f"{count} {severity}{'' if count == 1 else 's'}" for severity, count in counts.items()
    )
    style = "red" if counts["error"] else "yellow" if counts["warning"] else "green"
    cases = f"{diagnosis.cases} case{'' if diagnosis.cases == 1 else 's'}"
    return Text(f"{diagnosis.dataset}, {cases}: {words.replace('infos', 'notes')}", style=style)
