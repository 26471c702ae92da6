"""Faults planted into small datasets of pictures, and the clean datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_cobot.data import datasets
from monai_cobot.doctor import check_dataset
from tests.doctor import picture_faults as faults

MAKERS = {
    "SSDD": faults.make_ships,
    "BRAST": faults.make_lesions,
    "SONAR": faults.make_debris,
}
ERRORS = [
    *(("SSDD", *entry) for entry in faults.ERRORS.items()),
    *(("BRAST", *entry) for entry in faults.LESION_FAULTS.items()),
    *(("SONAR", *entry) for entry in faults.DEBRIS_FAULTS.items()),
]


@pytest.mark.parametrize("code", MAKERS)
def test_a_clean_dataset_passes(tmp_path: Path, code: str) -> None:
    diagnosis = check_dataset(MAKERS[code](tmp_path), datasets.get(code))
    assert diagnosis.cases == {"SSDD": 4, "BRAST": 3, "SONAR": 3}[code]
    assert diagnosis.findings == ()


@pytest.mark.parametrize(
    ("code", "what", "fault"), ERRORS, ids=[f"{code}: {what}" for code, what, _ in ERRORS]
)
def test_a_planted_fault_is_found_in_its_file_alone(
    tmp_path: Path, code: str, what: str, fault: tuple[str, faults.Plant]
) -> None:
    root = MAKERS[code](tmp_path)
    kind, plant = fault
    file = str(plant(root))
    errors = [f for f in check_dataset(root, datasets.get(code)).findings if f.severity == "error"]
    assert {(f.code, f.file) for f in errors} == {(kind, file)}
    assert all(f.what and f.remedy for f in errors)


@pytest.mark.parametrize("what", faults.WARNINGS)
def test_a_doubtful_file_is_told(tmp_path: Path, what: str) -> None:
    root = faults.make_ships(tmp_path)
    code, plant = faults.WARNINGS[what]
    file = str(plant(root))
    diagnosis = check_dataset(root, datasets.get("SSDD"))
    assert diagnosis.count("error") == 0
    assert (code, file) in {(f.code, f.file) for f in diagnosis.findings}


def test_copies_that_the_reader_groups_are_told(tmp_path: Path) -> None:
    root = faults.make_lesions(tmp_path)
    file = str(faults.copy_of_a_lesion(root))
    diagnosis = check_dataset(root, datasets.get("BRAST"))
    assert diagnosis.count("error") == 0
    assert ("copies_of_a_patient", file) in {(f.code, f.file) for f in diagnosis.findings}


def test_all_faults_of_a_folder_are_found_at_once(tmp_path: Path) -> None:
    """The reader goes on after what it refuses, and cases after the first broken one are read."""
    root = faults.make_ships(tmp_path)
    chosen = ("missing picture", "annotation of no picture", "copy in the other part")
    expected = {(faults.ERRORS[w][0], str(faults.ERRORS[w][1](root))) for w in chosen}
    findings = check_dataset(root, datasets.get("SSDD")).findings
    assert {(f.code, f.file) for f in findings if f.severity == "error"} == expected


def test_pictures_without_a_mask_are_no_truth(tmp_path: Path) -> None:
    root = faults.make_ships(tmp_path)
    faults.lists(root, "val").unlink()
    faults.edited(lambda content: [a.pop("segmentation") for a in content["annotations"]])(root)
    assert "no_target" in {f.code for f in check_dataset(root, datasets.get("SSDD")).findings}
