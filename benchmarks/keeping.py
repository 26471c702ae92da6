"""Rows of the benchmarks in files: a part that is stopped goes on, one that is done is kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness import Row, Settings
from machine import machine

from monai_cobot.whole_file import whole_file


class Ledger:
    """The comparisons of a part that has not ended, kept in a file as they are measured.

    Args:
        file: of JSON; what it holds is taken over if its settings are the same.
        settings: of the part.
    """

    def __init__(self, file: Path, settings: Settings) -> None:
        self.file, self.settings = file, settings
        self.rows: list[Row] = []
        if file.is_file() and not differing(found := json.loads(file.read_text()), settings):
            self.rows = [Row(**row) for row in found["rows"]]

    def once(self, name: str, variant: str, measure: Callable[[], Row]) -> Row:
        """The row of that name and variant, or what is measured now; told as it comes."""
        for row in self.rows:
            if (row.name, row.variant) == (name, variant):
                return row
        row = measure()
        self.rows.append(row)
        write_rows(self.file, self.settings, self.rows)
        told = f"  {name}, {variant}: {row.ratio:.3g} [{row.low:.3g}, {row.high:.3g}]"
        print(told, file=sys.stderr, flush=True)
        return row


def kept(
    folder: Path,
    part: str,
    settings: Settings,
    measure: Callable[[Settings], Iterable[Row]],
    again: bool = False,
) -> list[Row]:
    """The rows of a part: those of its file, or measured anew and written there.

    A part that was stopped goes on after its last timed comparison.

    Raises:
        SystemExit: see :func:`refuse_other`.
    """
    file = folder / f"{part}.json"
    if file.is_file() and not again:
        refuse_other(file, settings)
        return [Row(**row) for row in json.loads(file.read_text())["rows"]]
    unfinished = folder / f"{part}.unfinished"
    if again:
        unfinished.unlink(missing_ok=True)
    rows = list(measure(replace(settings, ledger=Ledger(unfinished, settings))))
    write_rows(file, settings, rows)
    unfinished.unlink(missing_ok=True)
    return rows


def refuse_other(file: Path, settings: Settings) -> None:
    """Refuse to mix what is in a part's file with what is measured now.

    Raises:
        SystemExit: the file is of other settings, another machine or other versions.
    """
    if other := differing(json.loads(file.read_text()), settings):
        raise SystemExit(
            f"{file} was measured with other settings: give --only {file.stem} --again to replace "
            f"it, or another --out ({other})"
        )


def differing(found: Mapping[str, Any], settings: Settings) -> str:
    """How a file's settings and machine differ from what they are now; empty if they do not."""
    now = {"settings": settings.to_dict(), "machine": machine(settings.device)}
    return ", ".join(
        f"{name}: {found[kind].get(name)} there, {value} here"
        for kind, facts in now.items()
        for name, value in {**dict.fromkeys(found[kind]), **facts}.items()
        if found[kind].get(name) != value
    )


def write_rows(file: Path, settings: Settings, rows: Sequence[Row]) -> None:
    """Write rows, settings and the machine's facts as JSON, all of it or nothing."""
    content = {
        "settings": settings.to_dict(),
        "machine": machine(settings.device),
        "rows": [asdict(row) for row in rows],
    }
    with whole_file(file) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n")
