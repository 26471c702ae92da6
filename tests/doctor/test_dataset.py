"""Folders that are none, lists with gaps, and the real subsets."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_cobot.data import datasets
from monai_cobot.data.spec import Case, DatasetSpec, Organ
from monai_cobot.doctor import Finding, check_dataset
from monai_cobot.errors import CobotError
from tests.doctor.volume_faults import image, label

ADOME = datasets.get("ADOME")

REAL = {
    "ADOME": {"organ_nowhere": 1, "organ_absent": 3},  # no oesophagus in the stand-in
    "SPLEN": {},
    "MOMO": {},
    "SEGRAP": {},
    "BRAST": {},
    "COCO": {},
    "TRCAN": {"published_parts_overlap": 6},  # counted by hand, see docs/datasets.md
    "NWPU": {},
    "SSDD": {},
    "SONAR": {"reader_note": 1},  # the 19 cans that are called Wall
}


@pytest.mark.parametrize("code", REAL)
def test_real_subsets(real_data: Path, code: str) -> None:
    diagnosis = check_dataset(real_data / code, datasets.get(code))
    assert Counter(f.code for f in diagnosis.findings) == REAL[code]


def test_no_folder_is_an_error_and_a_strange_one_a_finding(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match="does not exist: give the folder of the dataset"):
        check_dataset(tmp_path / "none", ADOME)
    diagnosis = check_dataset(tmp_path, ADOME)
    (finding,) = diagnosis.findings
    assert (finding.severity, finding.code, finding.file) == ("error", "reader", str(tmp_path))
    assert "is no dataset of a known layout" in finding.what
    assert diagnosis.cases == 0


def test_a_datalist_with_gaps_is_read_on(cohort: Path) -> None:
    names = [f"phantom_000{number}" for number in (1, 2, 3)]
    entries = [{"image": str(image(cohort, n)), "label": str(label(cohort, n))} for n in names]
    gone = cohort / "gone.nii.gz"
    entries += [{"image": str(gone), "label": entries[0]["label"]}, {"image": "only.nii.gz"}]
    path = cohort / "mine.json"
    path.write_text(json.dumps({"training": entries}))
    diagnosis = check_dataset(path, ADOME)
    assert diagnosis.cases == 3
    found = {(f.code, f.file) for f in diagnosis.findings if f.severity == "error"}
    assert found == {("missing_file", str(gone)), ("datalist_entry", str(path))}
    assert ("not_listed", str(cohort / "images")) in {(f.code, f.file) for f in diagnosis.findings}


def test_a_renumbered_dataset_json_does_not_end_the_reading(cohort: Path) -> None:
    (cohort / "dataset.json").write_text(json.dumps({"labels": {"1": "spleen"}}))
    shutil.copy(label(cohort), cohort / "labels" / "alone.nii.gz")
    diagnosis = check_dataset(cohort, ADOME)
    errors = {(f.code, Path(f.file).name) for f in diagnosis.findings if f.severity == "error"}
    assert errors == {("label_table", "dataset.json"), ("missing_image", "alone.nii.gz")}
    assert diagnosis.cases == 6


class _Mine:
    """A reader that knows nothing of the doctor."""

    def __init__(self, cases: list[Case]) -> None:
        self.cases = cases

    def find_cases(self, directory: str | Path) -> list[Case]:
        if not self.cases:
            raise CobotError(f"{directory} is empty: fill it")
        return self.cases

    find_images = find_cases


def test_a_dataset_of_ones_own(cohort: Path) -> None:
    """Not registered, another table, a reader of its own."""
    case = {"case": "a", "patient": "a", "image": str(image(cohort)), "label": str(label(cohort))}
    table = tuple(Organ(number, f"part {number}", 1.0) for number in range(1, 13))
    for cases, expected in (([case], "label_outside_table"), ([], "reader")):
        spec = DatasetSpec("MINE", "my own", "CT", (-160, 240), table, _Mine(cases))
        errors = [f for f in check_dataset(cohort, spec).findings if f.severity == "error"]
        assert [f.code for f in errors] == [expected]


def test_a_dark_mr_is_told(cohort: Path) -> None:
    case = {"case": "a", "patient": "a", "image": str(image(cohort)), "label": str(label(cohort))}
    spec = DatasetSpec("MINE", "MR", "MR", (0.5, 99.5), ADOME.organs, _Mine([case]))
    assert check_dataset(cohort, spec).count("error") == 0
    file = nib.load(case["image"])
    nib.save(nib.Nifti1Image(np.zeros(file.shape, np.int16), file.affine), case["image"])
    assert "image_constant" in {f.code for f in check_dataset(cohort, spec).findings}


def test_errors_come_first_and_nothing_twice(cohort: Path) -> None:
    label(cohort).write_bytes(b"")
    image(cohort, "phantom_0001").unlink()
    findings = check_dataset(cohort, ADOME).findings
    severities = [f.severity for f in findings]
    assert severities == sorted(severities, key=("error", "warning", "info").index)
    assert len(set(findings)) == len(findings)
    assert all(isinstance(f, Finding) and f.what and f.remedy for f in findings)
