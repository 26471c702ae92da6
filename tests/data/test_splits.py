import json
import logging
from pathlib import Path

import numpy as np
import pytest

from monai_cobot.data import datasets
from monai_cobot.data.splits import Split, make_split, resolve_split, target_slices
from monai_cobot.errors import CobotError
from tests.data.nifti import AFFINE, write, write_case


def _cases(count: int, per_patient: int = 1) -> list[dict[str, str]]:
    return [{"case": f"c{i:03d}", "patient": f"p{i // per_patient:03d}"} for i in range(count)]


def _split(**sides: tuple[str, ...]) -> Split:
    lists = {"training": (), "validation": (), "test": (), **sides}
    return Split(**lists, patients={})


@pytest.mark.parametrize(
    ("patients", "sizes"),
    [(2, (1, 0, 1)), (3, (1, 1, 1)), (5, (3, 1, 1)), (10, (6, 2, 2)), (50, (32, 8, 10))],
)
def test_shares(patients: int, sizes: tuple[int, int, int]) -> None:
    split = make_split(_cases(patients), seed=0)
    assert (len(split.training), len(split.validation), len(split.test)) == sizes
    assert split.cases == {case["case"] for case in _cases(patients)}


def test_a_patient_stays_on_one_side() -> None:
    cases = _cases(40, per_patient=4)
    split = make_split(cases, seed=3)
    sides = {
        side: {case["patient"] for case in split.items(cases, side)}
        for side in ("training", "validation", "test")
    }
    assert [len(side) for side in sides.values()] == [6, 2, 2]
    assert len(set.union(*sides.values())) == 10


def test_the_draw_is_pinned_and_needs_no_order() -> None:
    cases = _cases(6)
    # By coreutils' sha256sum the smallest digests of "0:p000" ... "0:p005" are p001's and p004's.
    split = make_split(cases[::-1], seed=0)
    assert (split.test, split.validation) == (("c001",), ("c004",))
    assert split == make_split(cases, seed=0)
    assert len({make_split(_cases(30), seed=seed).hash for seed in range(5)}) == 5


def test_two_patients_have_no_validation(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        make_split(_cases(2), seed=0)
    assert "no validation part, the last checkpoint is kept" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"cases": _cases(3, per_patient=3)},
            r"at least two patients, found 1 \(p000\): add cases",
        ),
        ({"cases": _cases(4), "by": "scan"}, "split_by 'scan': choose one of patient, slice"),
        ({"cases": _cases(4), "fraction": 1.0}, "fraction 1.0 must lie between 0 and 1"),
    ],
)
def test_bad_draws(arguments: dict, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        make_split(seed=0, **arguments)


def test_one_patient_of_two_real_files_is_never_on_two_sides(real_data: Path) -> None:
    cases = datasets.get("ADOME").find_cases(real_data / "ADOME")
    for seed in range(8):
        split = make_split(cases, seed)
        assert ("ts_ct3mm" in split.test) == ("ts_ct3mm_sm" in split.test)


def test_target_slices_are_counted_from_the_feet(tmp_path: Path) -> None:
    label = np.zeros((4, 4, 6), np.uint8)
    label[1, 1, 0] = label[2, 2, 2] = 1
    upside_down = AFFINE @ np.diag([1.0, 1, -1, 1])

    def slices(name: str, array: np.ndarray, affine: np.ndarray = AFFINE) -> list[int]:
        path = write(tmp_path / name, array, affine)
        return target_slices({"case": name, "label": str(path)})

    assert slices("a.nii.gz", label) == [0, 2]
    assert slices("b.nii.gz", label, upside_down) == [3, 5]
    sagittal = AFFINE[:, [2, 0, 1, 3]]
    assert slices("c.nii.gz", np.moveaxis(label, 2, 0), sagittal) == [0, 2]


def test_target_slices_of_a_file_with_other_values(tmp_path: Path) -> None:
    label = np.zeros((4, 4, 6), np.uint8)
    label[1, 1, 0], label[2, 2, 2], label[3, 3, 4] = 1, 2, 3
    case = {"case": "a", "label": str(write(tmp_path / "a.nii.gz", label))}
    assert target_slices({**case, "label_values": {2: 1, "3": 1, 1: 0}}) == [2, 4]


def test_by_slice_warns_and_gives_every_target_slice_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cases = [write_case(tmp_path, name, labels=(1, 1, 0, 1)) for name in ("a", "b:c")]
    with caplog.at_level(logging.WARNING):
        split = make_split(cases, seed=1, by="slice")
    assert "scores leak" in caplog.text
    sides = [split.items(cases, side) for side in ("training", "validation", "test")]
    drawn = [(item["case"], z) for side in sides for item in side for z in item["slices"]]
    assert sorted(drawn) == [(name, z) for name in ("a", "b:c") for z in (0, 1, 3)]
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split
    assert resolve_split(cases, tmp_path / "split.json", by="slice") == split


def test_saved_and_loaded(tmp_path: Path) -> None:
    split = make_split(_cases(9), seed=2)
    split.save(tmp_path / "deep" / "split.json")
    assert Split.load(tmp_path / "deep" / "split.json") == split
    content = json.loads((tmp_path / "deep" / "split.json").read_text())
    assert content["hash"] == split.hash
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["split.json"]


def test_the_hash_knows_sides_and_patients_but_no_order() -> None:
    base = _split(training=("a", "b"), test=("c",))
    assert base.hash == _split(training=("b", "a"), test=("c",)).hash
    assert base.hash != _split(training=("a", "c"), test=("b",)).hash
    assert base.hash != Split(("a", "b"), (), ("c",), {"a": "p", "b": "p"}).hash
    # coreutils' sha256sum of
    # {"patients":{"a":"a","b":"b","c":"c"},"test":["c"],"training":["a","b"],"validation":[]}
    assert base.hash == "6defecd324e87bf4f743e52f162993c0e8d11f73a17bc3c1b054eb536e5dcb69"


def test_a_file_changed_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    make_split(_cases(5), seed=0).save(path)
    content = json.loads(path.read_text())
    content["training"], content["test"] = content["test"], content["training"]
    path.write_text(json.dumps(content))
    with pytest.raises(CobotError, match=r"split\.json was changed .*remove the line 'hash'"):
        Split.load(path)
    del content["hash"]
    path.write_text(json.dumps(content))
    assert Split.load(path).test == tuple(content["test"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"training": ["a"], "test": ["b"]}, "needs a list 'validation' of case names"),
        ({"training": ["a"], "validation": [1], "test": []}, "needs a list 'validation'"),
        (
            {"training": ["a"], "validation": [], "test": ["a"]},
            "case a is in training and in test .*keep each case on one side",
        ),
        (
            {"training": ["a"], "validation": [], "test": ["b"], "patients": {"a": "p", "b": "p"}},
            "patient p is in training and in test",
        ),
        ({"training": [], "validation": [], "test": [], "patients": []}, "'patients' must map"),
        ({"training": [], "validation": [], "test": [], "by": "x"}, "by 'x': choose one of"),
    ],
)
def test_bad_files(tmp_path: Path, content: dict, message: str) -> None:
    path = tmp_path / "split.json"
    path.write_text(json.dumps(content))
    with pytest.raises(CobotError, match=rf"split\.json.*{message}"):
        Split.load(path)


def test_a_split_held_against_the_cases() -> None:
    cases = [{"case": name, "patient": name} for name in "ab"]
    _split(training=("a",), test=("b",)).check(cases)
    with pytest.raises(CobotError, match=r"cases \['b'\] are on no side: add them"):
        _split(training=("a",)).check(cases)
    with pytest.raises(CobotError, match=r"cases \['c'\] are not in the dataset: restore them"):
        _split(training=("a", "b"), test=("c",)).check(cases)
    same = [{"case": name, "patient": "p"} for name in "ab"]
    with pytest.raises(CobotError, match="patient p is in training and in test"):
        _split(training=("a",), test=("b",)).check(same)


def test_the_users_file_comes_first(tmp_path: Path) -> None:
    cases = _cases(3)
    mine = tmp_path / "mine.json"
    sides = {"training": ["c000"], "validation": ["c001"], "test": ["c002"]}
    mine.write_text(json.dumps(sides))
    split = resolve_split(cases, mine, seed=5)
    assert split.test == ("c002",)
    assert split.patients["c002"] == "p002"
    with pytest.raises(CobotError, match=r"mine\.json was split by patient, split_by is slice"):
        resolve_split(cases, mine, by="slice")
    with pytest.raises(CobotError, match=r"mine\.json: cases \['c003'\] are on no side"):
        resolve_split(_cases(4), mine)


def test_a_frozen_split_applies_only_where_it_names_every_case(tmp_path: Path) -> None:
    frozen, absent = tmp_path / "frozen.json", tmp_path / "absent.json"
    Split(("c001", "c003"), ("c002",), ("c000",), {}).save(frozen)
    assert resolve_split(_cases(4), absent, frozen).test == ("c000",)
    fewer = resolve_split(_cases(2), absent, frozen)
    assert (fewer.training, fewer.validation, fewer.test) == (("c001",), (), ("c000",))
    assert resolve_split(_cases(5), absent, frozen, seed=4) == make_split(_cases(5), 4)
    assert resolve_split(_cases(4), absent, tmp_path / "no.json") == make_split(_cases(4), 0)
    without_test = _cases(4)[1:]
    assert resolve_split(without_test, absent, frozen) == make_split(without_test, 0)
    assert not absent.exists()
