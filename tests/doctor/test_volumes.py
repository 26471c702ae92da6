"""Faults planted into a synthetic cohort, and the clean cohort."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_cobot.data import datasets
from monai_cobot.data.phantom import make_cohort
from monai_cobot.doctor import Diagnosis, check_dataset
from tests.doctor.volume_faults import ERRORS, WARNINGS, image, label

ADOME = datasets.get("ADOME")
ORIENTATION = {"orientation_differs"}  # phantoms are stored in three orders of axes


def found(diagnosis: Diagnosis, severity: str) -> set[tuple[str, str]]:
    return {(f.code, f.file) for f in diagnosis.findings if f.severity == severity}


def test_the_clean_cohort_passes(cohort: Path) -> None:
    diagnosis = check_dataset(cohort, ADOME)
    assert diagnosis.cases == 6
    assert {f.code for f in diagnosis.findings} <= ORIENTATION


@pytest.mark.parametrize("what", ERRORS)
def test_a_planted_fault_is_found_in_its_file_alone(cohort: Path, what: str) -> None:
    code, plant = ERRORS[what]
    file = str(plant(cohort))
    errors = found(check_dataset(cohort, ADOME), "error")
    assert (code, file) in errors
    own = {str(image(cohort)), str(label(cohort)), file}
    assert {place for _, place in errors} <= own


@pytest.mark.parametrize("what", WARNINGS)
def test_a_doubtful_file_is_told(cohort: Path, what: str) -> None:
    code, plant = WARNINGS[what]
    file = str(plant(cohort))
    diagnosis = check_dataset(cohort, ADOME)
    assert (code, file) in found(diagnosis, "warning")
    own = {str(image(cohort)), str(label(cohort)), file}
    assert {place for code, place in found(diagnosis, "warning") if code not in ORIENTATION} <= own


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("cases", [1, 2, 3, 4])
def test_no_clean_phantom_is_accused(tmp_path: Path, seed: int, cases: int) -> None:
    folder = make_cohort(tmp_path / "cohort", cases, seed, shape=(48, 48, 20))
    assert {f.code for f in check_dataset(folder, ADOME).findings} <= ORIENTATION
