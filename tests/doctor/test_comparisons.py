"""A case held against the others: hand-made records with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monai_cobot.data import datasets
from monai_cobot.doctor.comparisons import (
    copies,
    organ_outliers,
    orientation_outliers,
    spacing_outliers,
)
from monai_cobot.doctor.records import CaseRecord, OrganRecord

SPLEN = datasets.get("SPLEN")


def record(name: str, **more: object) -> CaseRecord:
    base = CaseRecord(name, name, f"{name}.nii.gz", f"{name}_seg.nii.gz", axes="LPS")
    return replace(replace(base, spacing=(0.8, 0.8, 2.5), image_hash=name, label_hash=name), **more)


def cohort(*, of: int = 4, **last: object) -> list[CaseRecord]:
    """Usual cases and a last one that differs."""
    return [*(record(str(i)) for i in range(of - 1)), record("x", **last)]


def organ(millilitres: float, cut: bool = False) -> dict[str, OrganRecord]:
    return {"spleen": OrganRecord(1000, millilitres, np.zeros(3), cut)}


def test_orientation_is_told_where_three_others_agree() -> None:
    assert [f.case for f in orientation_outliers(cohort(axes="RAS"))] == ["x"]
    assert not list(orientation_outliers(cohort(of=3, axes="RAS")))
    mixed = [record("a", axes="RAS"), record("b"), record("c", axes="LAS"), record("d")]
    assert not list(orientation_outliers(mixed))


@pytest.mark.parametrize(
    ("spacing", "told"),
    [((0.8, 0.8, 2.5), False), ((0.8, 0.8, 6.0), False), ((0.8, 0.8, 8.0), True)],
)
def test_spacing_is_told_from_a_factor_of_three(spacing: tuple[float, ...], told: bool) -> None:
    assert bool(list(spacing_outliers(cohort(spacing=spacing)))) is told


def test_spacings_that_vary_in_the_cohort_are_usual() -> None:
    steps = (0.5, 1.0, 2.0, 4.0, 8.0)
    varied = [record(str(step), spacing=(0.8, 0.8, step)) for step in steps]
    assert not list(spacing_outliers(varied))


def test_a_copy_is_worse_where_it_can_part() -> None:
    """Of one patient on one side it is a remark, else an error, which names both parts."""
    same = {"image_hash": "0"}
    assert [f.code for f in copies(cohort(**same))] == ["duplicate_image"]
    assert [f.code for f in copies(cohort(**same, patient="0"))] == ["copies_of_a_patient"]
    parted = [record("0", part="training"), record("x", part="test", patient="0", **same)]
    (finding,) = copies(parted)
    assert finding.code == "duplicate_image"
    assert "which is in the training part, this one in the test part" in finding.what


def test_one_label_for_two_patients_is_told() -> None:
    assert [f.file for f in copies(cohort(label_hash="0"))] == ["x_seg.nii.gz"]
    assert not list(copies(cohort(label_hash="0", patient="0")))


def test_organs_nowhere_and_tiny_organs() -> None:
    usual = [record(str(i), organs=organ(200)) for i in range(3)]
    for millilitres, cut, told in ((9, False, True), (9, True, False), (11, False, False)):
        last = record("x", organs=organ(millilitres, cut))
        assert bool(list(organ_outliers([*usual, last], SPLEN))) is told
    stranger = {"liver": OrganRecord(9, 1.0, np.zeros(3), False)}
    (finding,) = organ_outliers([record("x", organs=stranger)], SPLEN)
    assert finding.code == "organ_nowhere"
