"""The cases that a prompts file names, held against those that are there."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_cobot.errors import CobotError

LOGGER = logging.getLogger(__name__)


def check_named_cases(
    path: Path, named: Collection[str], cases: Sequence[Mapping[str, Any]]
) -> None:
    """Refuses a case that is not there; the log tells which have no prompts.

    Args:
        path: the prompts file.
        named: the cases that it names.
        cases: items of a datalist.

    Raises:
        CobotError: a case that is not among them.
    """
    names = {str(case["case"]) for case in cases}
    strangers = sorted(set(named) - names)
    if strangers:
        raise CobotError(
            f"{path} names case {strangers[0]!r}, which is not among the images "
            f"({', '.join(sorted(names)[:5])} …): use the images' names without ending"
        )
    without = sorted(names - set(named))
    if without:
        LOGGER.warning("no boxes in %s for %s: left empty", path, ", ".join(without))
