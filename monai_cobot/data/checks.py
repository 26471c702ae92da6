"""Cases checked before training starts: every file is opened once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

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

    def problem(case: Case) -> str | None:
        try:
            check(case, spec)
        except CobotError as error:
            return f"{case['case']}: {error}"
        return None

    # Pictures are decoded in threads; volumes are large and go one by one.
    workers = min(8, os.cpu_count() or 1) if spec.dimensions == 2 else 1
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(problem, cases)
        bar = tqdm(
            found,
            desc="checking cases",
            total=len(cases),
            disable=not progress or len(cases) == 1,
        )
        problems += [each for each in bar if each is not None]
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
