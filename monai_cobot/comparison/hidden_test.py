"""The test part is kept from the trials: they are given the other cases alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from monai_cobot.data.spec import Case
from monai_cobot.data.split_file import Split
from monai_cobot.errors import CobotError
from monai_cobot.whole_file import whole_file

SEEN = "seen_cases.json"


def hide_test(cases: Sequence[Case], split: Split, split_file: Path) -> list[Case]:
    """Write the split, and beside it the cases of its training and validation part.

    Returns:
        these cases.

    Raises:
        CobotError: a split by slice, one without a validation or a test part, or another split
            in the folder.
    """
    if split.by != "patient":
        raise CobotError("a comparison is split by patient: remove split_by: slice, which leaks")
    for side in ("validation", "test"):
        if not split.entries(side):
            raise CobotError(
                f"the split has no {side} part, on which a comparison depends: give a split_file "
                "that has one, or more patients"
            )
    seen = [case for side in ("training", "validation") for case in split.items(cases, side)]
    if split_file.exists() and (held := Split.load(split_file).hash) != split.hash:
        raise CobotError(
            f"{split_file} is another split (hash {held[:12]}, here {split.hash[:12]}): give "
            "another out, or the split_file of this comparison"
        )
    if not split_file.exists():
        split.save(split_file)
    with whole_file(split_file.with_name(SEEN)) as file:
        file.write_text(json.dumps(seen, indent=1) + "\n")
    return seen


def seen_cases(split_file: str | Path) -> list[Case]:
    """The cases that a training may know."""
    cases: list[Case] = json.loads(Path(split_file).with_name(SEEN).read_text())
    return cases


def known_split(split_file: str | Path) -> Split:
    """The split with all its names; CobotError where the file is none."""
    return Split.load(split_file)
