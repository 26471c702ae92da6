import json
from pathlib import Path

import pytest

from monai_cobot.data.datalist import case_name, cases_from_datalist
from monai_cobot.errors import CobotError
from tests.data.nifti import write_case


def _list(root: Path, content: object) -> Path:
    path = root / "list.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_relative_paths_and_optional_keys(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a")
    entry = {"image": "images/a_0000.nii.gz", "label": "labels/a.nii.gz"}
    assert cases_from_datalist(_list(tmp_path, {"training": [entry]})) == [case]
    named = {**entry, "case": "c", "patient": "p", "site": "x"}
    (found,) = cases_from_datalist(_list(tmp_path, {"mine": [named]}), key="mine")
    assert (found["case"], found["patient"], found["site"]) == ("c", "p", "x")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("x/FLARE22_Tr_0001_0000.nii.gz", "FLARE22_Tr_0001"),
        ("spleen_2.nii.gz", "spleen_2"),
        ("a.b.nii", "a.b"),
    ],
)
def test_case_names(path: str, name: str) -> None:
    assert case_name(path) == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"list\.json is not readable as JSON"),
        ([], r"list\.json must hold a JSON object, found list"),
        ({"training": []}, r"has no cases in a list 'training'"),
        ({"training": ["a.nii.gz"]}, r"'a\.nii\.gz' needs both an 'image' and a 'label'"),
        ({"training": [{"image": "a.nii.gz"}]}, "needs both an 'image' and a 'label'"),
        (
            {"training": [{"image": ["a", "b"], "label": "c"}]},
            "must be one file name: name a single channel",
        ),
        (
            {"training": [{"image": "a.nii.gz", "label": "b.nii.gz"}]},
            r"names a\.nii\.gz, which does not exist: restore it or remove its entry",
        ),
    ],
)
def test_bad_lists(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        cases_from_datalist(_list(tmp_path, content))


def test_missing_list(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"none\.json does not exist: check the path"):
        cases_from_datalist(tmp_path / "none.json")


def test_case_named_twice(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a")
    with pytest.raises(CobotError, match="case 'a' is there twice"):
        cases_from_datalist(_list(tmp_path, {"training": [case, case]}))


def test_patient_zero_is_a_patient(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for kind in ("image", "label"):
            (tmp_path / f"{kind}_{name}.nii.gz").touch()
    entries = [
        {"image": f"image_{name}.nii.gz", "label": f"label_{name}.nii.gz", "patient": 0}
        for name in ("a", "b")
    ]
    (tmp_path / "list.json").write_text(json.dumps({"training": entries}))
    cases = cases_from_datalist(tmp_path / "list.json")
    assert [case["patient"] for case in cases] == ["0", "0"]
    entries[1]["patient"] = " "
    (tmp_path / "list.json").write_text(json.dumps({"training": entries}))
    with pytest.raises(CobotError, match="case label_b has an empty patient"):
        cases_from_datalist(tmp_path / "list.json")
