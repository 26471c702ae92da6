"""Which split applies: the user's file, the bundle's frozen one, or a new draw."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from monai_cobot.data.checks import read_nifti
from monai_cobot.data.spec import Case
from monai_cobot.data.split_file import UNITS, Names, Split
from monai_cobot.errors import CobotError

__all__ = ["Split", "make_split", "resolve_split", "target_slices"]

_log = logging.getLogger(__name__)

LEAK = (
    "split by slice: neighbouring slices of one patient are trained on and tested on, scores leak; "
    "use it only to reproduce published numbers"
)


def make_split(
    cases: Sequence[Case], seed: int, fraction: float = 0.2, by: str = "patient"
) -> Split:
    """Draw a split: ``fraction`` for the test, ``fraction`` of the rest for validation.

    Each takes at least one patient; with fewer than three patients there is no validation part,
    and the log says so. The draw sorts the patients by a hash of seed and name, so that it is the
    same on every machine and with every library.

    Args:
        cases: items with ``case`` and ``patient`` (by slice also ``label``, which is read).
        seed: another seed is another draw.
        fraction: share of the patients (or slices), between 0 and 1.
        by: "patient", or "slice": slices of one patient on two sides, which leaks and is warned of.

    Raises:
        CobotError: fewer than two patients (or slices), another ``by``, a fraction out of range.
    """
    if by not in UNITS:
        raise CobotError(f"split_by {by!r}: choose one of {', '.join(UNITS)}")
    if not 0 < fraction < 1:
        raise CobotError(f"test fraction {fraction} must lie between 0 and 1, as 0.2 does")
    patients = {str(case["case"]): str(case["patient"]) for case in cases}
    if by == "slice":
        _log.warning(LEAK)
        units = [f"{case['case']}:{z}" for case in cases for z in target_slices(case["label"])]
        training, validation, test = _draw(units, seed, fraction, by)
        return Split(training, validation, test, patients, by, seed)
    drawn = _draw(sorted(set(patients.values())), seed, fraction, by)
    training, validation, test = (
        tuple(sorted(case for case, patient in patients.items() if patient in side))
        for side in drawn
    )
    return Split(training, validation, test, patients, by, seed)


def resolve_split(
    cases: Sequence[Case],
    split_file: str | Path,
    frozen_file: str | Path | None = None,
    seed: int = 0,
    by: str = "patient",
) -> Split:
    """Find the split that applies to ``cases``; nothing is written.

    1. ``split_file`` where it exists: it must name exactly these cases.
    2. ``frozen_file`` where it names every case found and leaves both training and test something:
       then by name, cut down to the cases found.
    3. Otherwise a new draw.

    Raises:
        CobotError: ``split_file`` does not fit the cases or was made by another ``by``; see also
            Split.load and make_split.
    """
    if Path(split_file).is_file():
        split = Split.load(split_file)
        if split.by != by:
            raise CobotError(
                f"{split_file} was split by {split.by}, split_by is {by}: "
                "set split_by accordingly, or name another split_file"
            )
        try:
            split.check(cases)
        except CobotError as error:
            raise CobotError(f"{split_file}: {error}") from None
        if by == "slice":
            _log.warning(LEAK)
        return _told(split.restrict(cases))
    if frozen_file is not None and Path(frozen_file).is_file() and by == "patient":
        frozen = Split.load(frozen_file)
        if {case["case"] for case in cases} <= frozen.cases:
            split = frozen.restrict(cases)
            if split.training and split.test:
                _log.info("split of %s", frozen_file)
                return _told(split)
        _log.info("%s does not fit these cases: a new split is drawn", frozen_file)
    return make_split(cases, seed, by=by)


def target_slices(path: str | Path) -> list[int]:
    """Axial slices of a label file that hold a target: z in the voxel frame (RAS), ascending.

    Raises:
        CobotError: the file is missing or unreadable.
    """
    label, affine = read_nifti(path)
    label = nib.orientations.apply_orientation(label, nib.io_orientation(affine))
    return [int(z) for z in np.flatnonzero((label > 0).any(axis=(0, 1)))]


def _told(split: Split) -> Split:
    """The split; the log says where there is no validation part."""
    if not split.validation:
        _log.warning("the split has no validation part: the last checkpoint is kept")
    return split


def _draw(units: Sequence[str], seed: int, fraction: float, by: str) -> tuple[Names, Names, Names]:
    """Training, validation and test part of ``units``, each sorted."""
    if len(units) < 2:
        raise CobotError(
            f"a split needs at least two {by}s, found {len(units)} ({', '.join(units) or 'none'}): "
            "add cases, or name a split_file of your own"
        )
    order = sorted(units, key=lambda unit: hashlib.sha256(f"{seed}:{unit}".encode()).digest())
    tests = _share(len(order), fraction)
    if len(order) < 3:
        _log.warning(
            "fewer than three %ss: there is no validation part, the last checkpoint is kept", by
        )
        chosen = 0
    else:
        chosen = _share(len(order) - tests, fraction)
    test, validation, training = (
        order[:tests],
        order[tests : tests + chosen],
        order[tests + chosen :],
    )
    return tuple(sorted(training)), tuple(sorted(validation)), tuple(sorted(test))


def _share(count: int, fraction: float) -> int:
    """``fraction`` of ``count``, at least one, and one is left over."""
    return min(count - 1, max(1, round(count * fraction)))
