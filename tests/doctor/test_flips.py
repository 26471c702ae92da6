"""Flips and exchanges where little is known: one organ, two organs, few cases."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_cobot.data import datasets
from monai_cobot.data.adome import ORGANS
from monai_cobot.data.nifti_folders import FLARE_LAYOUT, NiftiFolders
from monai_cobot.data.spec import DatasetSpec, Organ
from monai_cobot.doctor import check_dataset
from monai_cobot.doctor.anatomy import relations
from tests.doctor.volume_faults import CASE, both_affines, change, label, swapped

ADOME = datasets.get("ADOME")


def only(root: Path, *organs: str) -> DatasetSpec:
    """The cohort with some of its organs, and a dataset of one's own that is not registered."""
    chosen = tuple(organ for organ in ORGANS if organ.name in organs)
    for path in (root / "labels").iterdir():
        change(path, lambda array: array * np.isin(array, [o.label for o in chosen]))
    reader = NiftiFolders((FLARE_LAYOUT,), {organ.label: organ.name for organ in chosen})
    return DatasetSpec("MINE", "a dataset of my own", "CT", (-160, 240), chosen, reader)


def told(root: Path, spec: DatasetSpec) -> list[tuple[str, str, str]]:
    codes = ("orientation_flipped", "labels_swapped", "organ_position")
    return [
        (f.severity, f.code, f.file) for f in check_dataset(root, spec).findings if f.code in codes
    ]


def reduced(root: Path, cases: int) -> None:
    for path in sorted((root / "labels").iterdir())[cases:]:
        (root / "images" / path.name.replace(".nii.gz", "_0000.nii.gz")).unlink()
        path.unlink()


@pytest.mark.parametrize("diagonal", [(-1, 1, 1), (-1, -1, 1)])
def test_one_organ_lies_beside_the_body(cohort: Path, diagonal: tuple[int, ...]) -> None:
    spec = only(cohort, "spleen")
    assert told(cohort, spec) == []
    both_affines(*diagonal)(cohort)
    assert told(cohort, spec) == [("warning", "orientation_flipped", str(label(cohort)))]


LEFT_RIGHT, BOTH = "left-right was mirrored", "left-right and front-back were mirrored"


@pytest.mark.parametrize("cases", [1, 3])
@pytest.mark.parametrize(
    ("diagonal", "axes"),
    [((-1, 1, 1), "left-right was"), ((-1, -1, 1), "left-right and front-back")],
)
def test_anatomy_books_need_no_cohort(
    cohort: Path, cases: int, diagonal: tuple[int, ...], axes: str
) -> None:
    reduced(cohort, cases)
    name = "phantom_0001"
    for path in (label(cohort, name), cohort / "images" / f"{name}_0000.nii.gz"):
        change(path, affine=lambda affine: np.diag([*diagonal, 1.0]) @ affine)
    (finding,) = (f for f in check_dataset(cohort, ADOME).findings if f.severity == "error")
    assert (finding.code, finding.case) == ("orientation_flipped", name)
    assert axes in finding.what


def test_a_cohort_that_is_mirrored_as_a_whole_is_told(cohort: Path) -> None:
    for folder in ("images", "labels"):
        for path in (cohort / folder).iterdir():
            change(path, affine=lambda affine: np.diag([-1.0, 1, 1, 1]) @ affine)
    errors = [f for f in check_dataset(cohort, ADOME).findings if f.severity == "error"]
    assert len(errors) == 6
    assert {f.code for f in errors} == {"orientation_flipped"}


def test_an_organ_and_a_part_of_it_are_told_by_their_volumes(cohort: Path) -> None:
    """Labels 1 and 2 nested: a sphere in the liver stands for a tumour."""
    table = (Organ(1, "liver", 5.0), Organ(2, "tumour", 2.0))
    spec = only(cohort, "liver")
    spec = DatasetSpec("MINE", "nested", "CT", spec.window, table, spec.reader)
    for path in (cohort / "labels").iterdir():
        change(path, _with_tumour)
    assert told(cohort, spec) == []
    swapped(1, 2)(cohort)
    assert told(cohort, spec) == [("warning", "labels_swapped", str(label(cohort)))]


def _with_tumour(array: np.ndarray) -> np.ndarray:
    where = np.argwhere(array == 1)
    near = np.abs(where - where.mean(axis=0)).max(axis=1) <= 3
    array[tuple(where[near].T)] = 2
    return array


def test_exchanged_kidneys_without_a_cohort_are_doubtful(cohort: Path) -> None:
    reduced(cohort, 3)
    swapped(2, 13)(cohort)
    found = [f for f in check_dataset(cohort, ADOME).findings if f.code == "organ_position"]
    assert {f.case for f in found} == {CASE}
    assert "kidney_right lies left of kidney_left, against anatomy" in {f.what for f in found}


def test_any_two_names_of_sides_are_a_relation() -> None:
    found = {str(relation) for relation in relations(("lung_right", "lung_left", "heart"))}
    assert found == {"lung_right right of lung_left"}


def test_relations_hold_in_real_labels(real_data: Path) -> None:
    """Centres by nibabel and NumPy alone."""
    for path in sorted((real_data / "ADOME" / "labelsTr").iterdir()):
        file = nib.load(path)
        array = np.asarray(file.dataobj)
        centres = {
            organ.name: nib.affines.apply_affine(
                file.affine, np.argwhere(array == organ.label).mean(axis=0)
            )
            for organ in ORGANS
            if (array == organ.label).any()
        }
        held = [relation.excess_mm(centres) for relation in relations(centres)]
        assert len(held) >= 5
        assert all(excess is None or excess > 0 for excess in held)
