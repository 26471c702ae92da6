"""Names of rows and columns, which are folders, too: none may stand for something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monai_cobot.errors import CobotError
from monai_cobot.metrics import TRIVIAL_ANSWERS, series_name

ZERO_SHOT = "zero shot"
PUBLISHED = "(published)"
"""Ends the names of printed rows."""
ROWS = (ZERO_SHOT, *(series_name(kind, False) for kind in TRIVIAL_ANSWERS))
"""Rows of every comparison."""
METHOD_FOLDERS = ("zero_shot", "figures", "split.json", "seen_cases.json", *TRIVIAL_ANSWERS)
DATASET_FOLDERS = ("figures", *(f"comparison.{ending}" for ending in ("csv", "json", "md", "html")))


def folder_name(name: str) -> str:
    """The folder of a row: its words, joined by underscores; ``+`` parts words."""
    return "_".join(name.replace("+", " ").split())


def check_method_name(name: str) -> None:
    """Refuse a row's name that is another row's or no folder; upper and lower case are alike.

    Raises:
        CobotError: says which.
    """
    folder = folder_name(name)
    taken = {folder_name(row).casefold() for row in ROWS} | set(METHOD_FOLDERS)
    if folder in ("", ".", "..") or folder.casefold() in taken:
        raise CobotError(
            f"methods: {name!r} is no name of its own: give another one; {', '.join(ROWS)} are "
            "always rows"
        )
    if name.casefold().endswith(PUBLISHED):
        raise CobotError(f"methods: {name!r}: {PUBLISHED} marks printed rows: give another name")


def check_dataset_name(name: str) -> None:
    """Refuse a column's name that is no folder, or one of the report's files.

    Raises:
        CobotError: says which.
    """
    if name in ("", ".", "..") or name.casefold() in DATASET_FOLDERS:
        raise CobotError(f"datasets: {name!r} cannot be a folder of the comparison: give a name")


def check_distinct(what: str, names: Iterable[str]) -> None:
    """Refuse names that would share a folder, also where upper and lower case are alike.

    Raises:
        CobotError: names the folder.
    """
    for name, count in Counter(folder_name(name).casefold() for name in names).items():
        if count > 1:
            raise CobotError(f"{count} {what} would have the folder {name!r}: give each a name")
