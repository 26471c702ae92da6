"""Patients on two sides, under two names, and split files that do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_cobot.data import datasets
from monai_cobot.data.spec import Case
from monai_cobot.doctor import check_dataset
from monai_cobot.doctor.patients import (
    published_parts_findings,
    spelling_findings,
    split_file_findings,
)
from monai_cobot.errors import CobotError

CASES: list[Case] = [
    {"case": "a1", "patient": "A"},
    {"case": "a2", "patient": "A"},
    {"case": "b1", "patient": "B"},
    {"case": "c1", "patient": "C"},
]


def told(tmp_path: Path, **content: Any) -> list[tuple[str, str]]:
    path = tmp_path / "split.json"
    sides = {"training": ["a1", "a2"], "validation": ["b1"], "test": ["c1"]}
    path.write_text(json.dumps({**sides, **content}))
    findings = list(split_file_findings(path, CASES))
    assert {f.file for f in findings} <= {str(path)}
    return [(f.code, f.case) for f in findings]


def test_a_split_that_fits(tmp_path: Path) -> None:
    assert told(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # The file does not say that a1 and a2 are one patient; the dataset does.
        (
            {"training": ["a1"], "test": ["a2", "c1"]},
            [("patient_in_two_parts", "a2")],
        ),
        ({"test": ["b1", "c1"]}, [("case_in_two_parts", "b1")]),
        # Here it is the file that knows that b1 and c1 are one patient.
        ({"patients": {"b1": "C", "c1": "C"}}, [("patient_in_two_parts", "c1")]),
        ({"test": ["c1", "gone"]}, [("split_case_absent", "gone")]),
        ({"training": ["a1"]}, [("split_case_unnamed", "a2")]),
        ({"hash": "0"}, [("split_unreadable", "")]),
        ({"test": "c1"}, [("split_unreadable", "")]),
    ],
)
def test_a_split_that_does_not(tmp_path: Path, content: dict[str, Any], expected: Any) -> None:
    assert told(tmp_path, **content) == expected


def test_a_split_by_slice_names_cases_by_their_slices(tmp_path: Path) -> None:
    sides = {"training": ["a1:3", "a2:0"], "validation": ["b1:1"], "test": ["a1:4", "c1:1"]}
    assert told(tmp_path, by="slice", **sides) == []
    sides["test"] = ["a1:3", "c1:1"]
    assert told(tmp_path, by="slice", **sides) == [("case_in_two_parts", "a1")]


def test_the_doctor_reads_the_split_file(cohort: Path, tmp_path: Path) -> None:
    names = sorted(p.name.removesuffix(".nii.gz") for p in (cohort / "labels").iterdir())
    file = tmp_path / "split.json"
    sides = {"training": names[:4], "validation": [names[4]], "test": names[4:]}
    file.write_text(json.dumps(sides))
    findings = check_dataset(cohort, datasets.get("ADOME"), file).findings
    assert ("case_in_two_parts", str(file)) in {(f.code, f.file) for f in findings}
    with pytest.raises(CobotError, match=r"none\.json does not exist: check the path"):
        check_dataset(cohort, datasets.get("ADOME"), tmp_path / "none.json")


def test_a_video_on_two_published_lists() -> None:
    cases = [{**case, "part": part} for case, part in zip(CASES, _parts(), strict=True)]
    (finding,) = published_parts_findings(cases)
    assert (finding.code, finding.severity) == ("published_parts_overlap", "warning")
    assert "cases of A are on several of the published lists: 1 in training, 1 in test" in (
        finding.what
    )


def _parts() -> tuple[str, ...]:
    return ("training", "test", "training", "test")


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        ("P01", "p1", True),
        ("case_007", "Case 7", True),
        ("vid_000001", "vid_000010", False),
        ("1-10", "11-0", False),
        ("malignant (1)", "malignant (11)", False),
        ("a", "b", False),
    ],
)
def test_two_spellings_of_a_patient(first: str, second: str, one: bool) -> None:
    cases = [{"case": f"c{name}", "patient": name} for name in (first, second)]
    findings = list(spelling_findings(cases))
    assert [f.case for f in findings] == ([f"c{second}"] if one else [])
