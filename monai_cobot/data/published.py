"""The split that a dataset's own lists make."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from monai_cobot.data.spec import Case
from monai_cobot.data.split_draws import in_order, share
from monai_cobot.data.split_file import SIDES, Split
from monai_cobot.errors import CobotError

_log = logging.getLogger(__name__)

LISTED = 20
"""So many patients on several lists are named."""


def published_split(
    cases: Sequence[Case], seed: int, fraction: float = 0.2, move_shared: bool = False
) -> Split | None:
    """Give the split that the cases' ``part`` makes.

    The test list stays as it is, and so does the validation list; where there is none,
    ``fraction`` of the training list's patients is drawn for it.

    Args:
        cases: items with ``case``, ``patient`` and ``part``.
        seed: of the draw.
        fraction: share of the training patients for the validation.
        move_shared: patients (videos, scenes) that are on several lists: False keeps the lists as
            they are published, and a warning names the patients; True moves their cases to the
            training, or to the validation where they are not on the training list.

    Returns:
        The split; None where a case has no part, or where training or test would be empty.

    Raises:
        CobotError: a part that is none.
    """
    if not all("part" in case for case in cases):
        return None
    sides: dict[str, list[Case]] = {side: [] for side in SIDES}
    for case in cases:
        if case["part"] not in sides:
            raise CobotError(
                f"case {case['case']} is in part {case['part']!r}: choose one of {', '.join(SIDES)}"
            )
        sides[case["part"]].append(case)
    shared = shared_patients(sides)
    if shared and move_shared:
        sides, shared = _moved(sides), []
    if not (sides["training"] and sides["test"]):
        return None
    drawn = not sides["validation"]
    if drawn:
        _draw_validation(sides, seed, fraction, shared)
    _log.info("the split follows the published lists")
    warn_of_shared(shared)
    training, validation, test = (
        tuple(sorted(str(case["case"]) for case in sides[side])) for side in SIDES
    )
    patients = {str(case["case"]): str(case["patient"]) for case in cases}
    drawn_with = seed if drawn else None
    return Split(training, validation, test, patients, seed=drawn_with, shared=tuple(shared))


def shared_patients(sides: dict[str, list[Case]]) -> list[str]:
    """Patients on more than one side, sorted."""
    groups = [{str(case["patient"]) for case in side} for side in sides.values()]
    return sorted(
        patient for patient in set.union(*groups) if sum(patient in group for group in groups) > 1
    )


def _moved(sides: dict[str, list[Case]]) -> dict[str, list[Case]]:
    """Every patient on the first side that has one of their cases."""
    first: dict[str, str] = {}
    for side in SIDES:
        for case in sides[side]:
            first.setdefault(str(case["patient"]), side)
    cases = [case for side in sides.values() for case in side]
    return {side: [case for case in cases if first[str(case["patient"])] == side] for side in SIDES}


def _draw_validation(
    sides: dict[str, list[Case]], seed: int, fraction: float, shared: list[str]
) -> None:
    """Move some patients of the training list, none that is on another list too."""
    own = {str(case["patient"]) for case in sides["training"]}
    order = [patient for patient in in_order(own, seed) if patient not in shared]
    chosen = set(order[: share(len(own), fraction)]) if len(own) > 1 else set()
    if not chosen:
        _log.warning("there is no validation part, the last checkpoint is kept")
    moved = [case for case in sides["training"] if str(case["patient"]) in chosen]
    sides["training"] = [case for case in sides["training"] if str(case["patient"]) not in chosen]
    sides["validation"] = moved


def warn_of_shared(shared: Sequence[str]) -> None:
    """Says in the log which patients are on both sides of a split that was kept as published."""
    if shared:
        _log.warning(
            "%d patients (or videos) are on several of the published lists, which are kept: the "
            "scores may be too good. They are %s",
            len(shared),
            ", ".join(shared[:LISTED]) + (", …" if len(shared) > LISTED else ""),
        )
