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
WORDS = {"error": "error", "warning": "warning", "info": "note"}


def print_diagnosis(
    diagnosis: Diagnosis, limit: int = 5, infos: bool = False, console: Console | None = None
) -> None:
    """Print a table of findings, ``limit`` of a code at the most, and a line that sums up.

    Args:
        diagnosis: what was found.
        limit: how many findings of one code are shown.
        infos: whether findings of severity "info" are shown, and what organs were found.
        console: where to; the terminal.
    """
    console = console or Console()
    shown = [finding for finding in diagnosis.findings if infos or finding.severity != "info"]
    if shown:
        console.print(_table(shown, Path(diagnosis.folder), limit))
    if infos:
        found = ", ".join(f"{organ} {count}" for organ, count in diagnosis.found.items())
        console.print(Text(f"found: {found}"))
    console.print(_summary(diagnosis), soft_wrap=True)


def _table(findings: Sequence[Finding], folder: Path, limit: int) -> Table:
    table = Table(show_lines=True, expand=True)
    table.add_column("code", no_wrap=True)
    table.add_column("where, what, and → what to do", ratio=1, overflow="fold")
    for (severity, code), group in groupby(findings, key=lambda f: (f.severity, f.code)):
        name = Text(code, style=STYLES[severity]).append(f"\n{WORDS[severity]}", "dim")
        members = list(group)
        for finding in members[:limit]:
            table.add_row(name, _lines(finding, folder))
        if len(members) > limit:
            more = f"and {len(members) - limit} more of these, see --limit and --json"
            table.add_row(name, Text(more, style="italic"))
    return table


def _lines(finding: Finding, folder: Path) -> Text:
    """The file (else the case) in bold, what is wrong, and the remedy, a line each."""
    where = _beside(finding.file or finding.case, folder)
    text = Text(f"{where}\n" if where else "", style="bold")
    text = Text.assemble(text, finding.what.replace(f"{folder}{os.sep}", ""))
    return text.append(f"\n→ {finding.remedy}" if finding.remedy else "", "cyan")


def _beside(where: str, folder: Path) -> str:
    """A path from the dataset's folder; the folder's own name where it is the folder."""
    path = Path(where)
    if where and path.is_relative_to(folder):
        return str(path.relative_to(folder)) if path != folder else folder.name
    return where


def _summary(diagnosis: Diagnosis) -> Text:
    counts = {severity: diagnosis.count(severity) for severity in SEVERITIES}
    words = ", ".join(
        f"{count} {WORDS[severity]}{'' if count == 1 else 's'}"
        for severity, count in counts.items()
    )
    style = "red" if counts["error"] else "yellow" if counts["warning"] else "green"
    cases = f"{diagnosis.cases} case{'' if diagnosis.cases == 1 else 's'}"
    return Text(f"{diagnosis.dataset}, {cases}: {words}", style=style)
