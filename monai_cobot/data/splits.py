"""Which split applies: the user's file, the bundle's frozen one, published lists, or a draw."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from monai_cobot.data.label_values import target_voxels
from monai_cobot.data.published import published_split, warn_of_shared
from monai_cobot.data.spec import Case
from monai_cobot.data.split_draws import draw, draw_fold
from monai_cobot.data.split_file import UNITS, Names, Split
from monai_cobot.data.volume_checks import read_nifti
from monai_cobot.errors import CobotError

__all__ = ["Split", "make_split", "resolve_split", "target_slices"]

_log = logging.getLogger(__name__)

LEAK = (
    "split by slice: neighbouring slices of one patient are trained on and tested on, scores leak; "
    "use it only to reproduce published numbers"
)


def make_split(
    cases: Sequence[Case],
    seed: int,
    fraction: float = 0.2,
    by: str = "patient",
    move_shared: bool = False,
    folds: int | None = None,
    fold: int = 0,
    test_share: float | None = None,
) -> Split:
    """Take the dataset's own lists, else draw ``fraction`` for the test.

    Where every case has a published ``part``, the lists stay as they are; see
    :func:`~monai_cobot.data.published.published_split`. Otherwise ``fraction`` is drawn for the
    test, and ``fraction`` of the rest for validation. Each takes at least one patient; with fewer
    than three patients there is no validation part, and the log says so. The draw sorts the
    patients by a hash of seed and name, so that it is the same on every machine and with every
    library.

    Args:
        cases: items with ``case`` and ``patient`` (by slice also ``label``, which is read).
        seed: another seed is another draw.
        fraction: share of the patients (or slices), between 0 and 1.
        by: "patient", or "slice": slices of one patient on two sides, which leaks and is warned of.
        move_shared: of published lists: whether a patient on several of them is moved to one.
        folds: instead of all this, divide the patients of all cases into so many test parts, see
            :func:`~monai_cobot.data.split_draws.draw_fold`; published lists are not followed then.
        fold: which of the parts is tested on, from 0.
        test_share: instead of published lists, draw so much of the patients for the test, and
            ``fraction`` of the rest for validation.

    Raises:
        CobotError: fewer than two patients (or slices), another ``by``, a fraction out of range,
            pictures by slice, folds by slice or of fewer patients than folds.
    """
    if by not in UNITS:
        raise CobotError(f"split_by {by!r}: choose one of {', '.join(UNITS)}")
    if not 0 < fraction < 1:
        raise CobotError(f"test fraction {fraction} must lie between 0 and 1, as 0.2 does")
    patients = {str(case["case"]): str(case["patient"]) for case in cases}
    if by == "slice":
        if folds is not None:
            raise CobotError(
                "folds are drawn by patient: set split_by: patient, or leave folds out"
            )
        return _by_slice(cases, seed, fraction, patients)
    if folds is not None:
        return _fold(cases, seed, fraction, folds, fold)
    published = None
    if test_share is None:
        published = published_split(cases, seed, fraction, move_shared)
    if published is not None:
        return published
    drawn = draw(sorted(set(patients.values())), seed, fraction, by, test_share)
    training, validation, test = (_cases_of(side, patients) for side in drawn)
    return Split(training, validation, test, patients, by, seed)


def _fold(cases: Sequence[Case], seed: int, fraction: float, folds: int, fold: int) -> Split:
    """One of the folds over the patients of all cases, whatever list they are on."""
    if any("part" in case for case in cases):
        _log.warning("folds are drawn over all cases: the published lists are not followed")
    patients = {str(case["case"]): str(case["patient"]) for case in cases}
    drawn = draw_fold(sorted(set(patients.values())), seed, fraction, folds, fold)
    training, validation, test = (_cases_of(side, patients) for side in drawn)
    return Split(training, validation, test, patients, "patient", seed, (), folds, fold)


def _cases_of(side: Names, patients: Mapping[str, str]) -> Names:
    """The cases of some patients, sorted."""
    return tuple(sorted(case for case, patient in patients.items() if patient in side))


def _by_slice(
    cases: Sequence[Case], seed: int, fraction: float, patients: Mapping[str, str]
) -> Split:
    """Slices drawn one by one, whoever they are of."""
    without = [str(case["case"]) for case in cases if "label" not in case]
    if without:
        raise CobotError(
            f"split_by slice, but {', '.join(without[:5])} have no label volume: "
            "set split_by: patient, pictures have no slices"
        )
    _log.warning(LEAK)
    units = [f"{case['case']}:{z}" for case in cases for z in target_slices(case)]
    training, validation, test = draw(units, seed, fraction, "slice")
    return Split(training, validation, test, patients, "slice", seed)


def resolve_split(
    cases: Sequence[Case],
    split_file: str | Path,
    frozen_file: str | Path | None = None,
    seed: int = 0,
    by: str = "patient",
    move_shared: bool = False,
    folds: int | None = None,
    fold: int = 0,
    test_share: float | None = None,
) -> Split:
    """Find the split that applies to ``cases``; nothing is written.

    1. ``split_file`` where it exists: it must name exactly these cases.
    2. ``frozen_file`` where it names every case found and leaves both training and test something:
       then by name, cut down to the cases found. With ``folds`` it is not read.
    3. Otherwise the dataset's published lists, or a new draw; see :func:`make_split`.

    Raises:
        CobotError: ``split_file`` does not fit the cases, was made by another ``by``, or is not
            the fold that is asked for; see also Split.load and make_split.
    """
    if Path(split_file).is_file():
        split = Split.load(split_file)
        if split.by != by:
            raise CobotError(
                f"{split_file} was split by {split.by}, split_by is {by}: "
                "set split_by accordingly, or name another split_file"
            )
        if folds is not None and (split.folds, split.fold) != (folds, fold):
            held = "no fold" if split.folds is None else f"fold {split.fold} of {split.folds}"
            raise CobotError(
                f"{split_file} is {held}, fold {fold} of {folds} is asked for: give each fold an "
                "output_dir (or split_file) of its own"
            )
        try:
            split.check(cases)
        except CobotError as error:
            raise CobotError(f"{split_file}: {error}") from None
        if by == "slice":
            _log.warning(LEAK)
        return _told(split.restrict(cases))
    if (
        frozen_file is not None
        and Path(frozen_file).is_file()
        and by == "patient"
        and folds is None
    ):
        frozen = Split.load(frozen_file)
        if {case["case"] for case in cases} <= frozen.cases:
            split = frozen.restrict(cases)
            if split.training and split.test:
                _log.info("split of %s", frozen_file)
                return _told(split)
        _log.info("%s does not fit these cases: a new split is drawn", frozen_file)
    return make_split(
        cases,
        seed,
        by=by,
        move_shared=move_shared,
        folds=folds,
        fold=fold,
        test_share=test_share,
    )


def target_slices(case: Case) -> list[int]:
    """Axial slices of a case's label that hold a target: z in the voxel frame (RAS), ascending.

    Raises:
        CobotError: the file is missing or unreadable.
    """
    label, affine = read_nifti(case["label"])
    held = nib.orientations.apply_orientation(
        target_voxels(case, label), nib.io_orientation(affine)
    )
    return [int(z) for z in np.flatnonzero(held.any(axis=(0, 1)))]


def _told(split: Split) -> Split:
    """The split; the log says where there is no validation part."""
    if not split.validation:
        _log.warning("the split has no validation part: the last checkpoint is kept")
    warn_of_shared(split.shared)
    return split
