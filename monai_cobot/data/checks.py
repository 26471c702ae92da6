"""Cases checked before training starts: every file is opened once."""

from __future__ import annotations

from collections.abc import Iterable

from tqdm import tqdm

from monai_cobot.data.image_checks import check_image_case
from monai_cobot.data.spec import Case, DatasetSpec, target_instances
from monai_cobot.data.volume_checks import read_case
from monai_cobot.errors import CobotError

LISTED = 10
"""So many broken cases are listed in one error."""


def check_cases(cases: Iterable[Case], spec: DatasetSpec, progress: bool = False) -> None:
    """Open every image and label and refuse what cannot be trained on.

    Checked of volumes: readable to the end, 3D, a usable affine, a finite image; label (where there
    is one) of the same shape and affine, whole numbers within the organ table, and not empty. Of
    images: see check_image_case, and that there is a target at all.

    Args:
        cases: items with ``case``, ``image`` and, optionally, ``label`` or ``instances``.
        spec: the dataset, for its dimensions and its organ table.
        progress: show a progress bar.

    Raises:
        CobotError: lists the first broken cases, each with its file and remedy.
    """
    cases = list(cases)
    check = check_case if spec.dimensions == 3 else check_image_case
    problems: list[str] = []
    for case in tqdm(cases, desc="checking cases", disable=not progress or len(cases) == 1):
        try:
            check(case, spec)
        except CobotError as error:
            problems.append(f"{case['case']}: {error}")
    if problems:
        more = len(problems) - LISTED
        lines = problems[:LISTED] + ([f"and {more} more"] if more > 0 else [])
        raise CobotError(f"{len(problems)} unusable case(s):\n  " + "\n  ".join(lines))
    labelled = [case for case in cases if "instances" in case]
    if labelled and not any(target_instances(case) for case in labelled):
        raise CobotError(
            f"none of {len(labelled)} images has an instance with a mask: add the masks, boxes "
            "alone are no truth"
        )


def check_case(case: Case, spec: DatasetSpec) -> None:
    """Check one volume; see check_cases. CobotError tells its first problem."""
    for problem in read_case(case, spec).problems:
        raise CobotError(problem.message)
