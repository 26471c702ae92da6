"""Folds: every patient is tested on once, and no patient is parted."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path

import pytest

from monai_cobot.data import datasets
from monai_cobot.data.splits import Split, make_split, resolve_split
from monai_cobot.errors import CobotError

Cases = list[dict[str, str]]
SIDES = ("training", "validation", "test")


def cases_of(patients: int, each: int = 1) -> Cases:
    return [
        {"case": f"p{patient:03d}_{scan}", "patient": f"p{patient:03d}"}
        for patient in range(patients)
        for scan in range(each)
    ]


def five(cases: Cases, seed: int = 0, folds: int = 5) -> list[Split]:
    return [make_split(cases, seed, folds=folds, fold=fold) for fold in range(folds)]


@pytest.mark.parametrize("patients", [5, 7, 23, 50])
@pytest.mark.parametrize("each", [1, 2])
def test_every_patient_is_tested_on_once_and_whole(patients: int, each: int) -> None:
    cases = cases_of(patients, each)
    splits = five(cases)
    tested = Counter(case for split in splits for case in split.test)
    assert tested == Counter(case["case"] for case in cases)
    for split in splits:
        assert split.cases == {case["case"] for case in cases}
        groups = [{split.patients[case] for case in split.entries(side)} for side in SIDES]
        assert sum(map(len, groups)) == patients  # nobody on two sides
    sizes = {len(split.test) // each for split in splits}
    assert max(sizes) - min(sizes) <= 1


def test_validation_is_a_fifth_of_the_rest_and_goes_round() -> None:
    splits = five(cases_of(50))
    assert {(len(s.training), len(s.validation), len(s.test)) for s in splits} == {(32, 8, 10)}
    for split, following in zip(splits, [*splits[1:], splits[0]], strict=True):
        assert set(split.validation) < set(following.test)


def test_the_draw_is_pinned_and_needs_no_order() -> None:
    """By coreutils' sha256sum the digests of "0:p000" to "0:p005" ascend as p001, p004, ..."""
    cases = cases_of(6)
    splits = [make_split(cases[::-1], 0, folds=6, fold=fold) for fold in range(6)]
    assert [split.test for split in splits[:2]] == [("p001_0",), ("p004_0",)]
    assert splits == five(cases, folds=6)
    assert five(cases_of(30), seed=1)[0].test != five(cases_of(30), seed=2)[0].test


def test_two_patients_in_two_folds_have_no_validation(caplog: pytest.LogCaptureFixture) -> None:
    first, second = five(cases_of(2), folds=2)
    assert (first.training, first.validation) == (second.test, ())
    assert "no validation part, the last checkpoint is kept" in caplog.text


def test_published_lists_are_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    cases = [{**case, "part": "test"} for case in cases_of(2)]
    cases += [{"case": f"t{i}", "patient": f"t{i}", "part": "training"} for i in range(8)]
    with caplog.at_level(logging.WARNING):
        tested = [case for split in five(cases) for case in split.test]
    assert sorted(tested) == sorted(case["case"] for case in cases)
    assert "the published lists are not followed" in caplog.text


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"folds": 1, "fold": 0}, "fold 0 of 1 folds: give at least 2 folds"),
        ({"folds": 5, "fold": 5}, "fold 5 of 5 folds: .* a fold from 0 to folds - 1"),
        ({"folds": 5, "fold": -1}, "fold -1 of 5 folds"),
        ({"folds": 9, "fold": 0}, r"9 folds need 9 patients, found 8 .*set folds lower"),
        ({"folds": 5, "by": "slice"}, "folds are drawn by patient: set split_by: patient"),
    ],
)
def test_folds_that_cannot_be(ids: dict, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        make_split(cases_of(8), seed=0, **ids)


def test_the_file_says_its_fold_and_holds_to_it(tmp_path: Path) -> None:
    cases, path = cases_of(10), tmp_path / "split.json"
    split = make_split(cases, 3, folds=5, fold=2)
    split.save(path)
    content = json.loads(path.read_text())
    assert (content["folds"], content["fold"], content["seed"]) == (5, 2, 3)
    assert Split.load(path) == split
    assert resolve_split(cases, path, folds=5, fold=2) == split
    assert resolve_split(cases, path) == split
    with pytest.raises(CobotError, match=r"split\.json is fold 2 of 5, fold 1 of 5 is asked for"):
        resolve_split(cases, path, folds=5, fold=1)
    with pytest.raises(CobotError, match="fold 2 of 4 is asked for: give each fold an output_dir"):
        resolve_split(cases, path, folds=4, fold=2)
    path.write_text(json.dumps({**content, "fold": 7}))
    with pytest.raises(CobotError, match=r"split\.json: split: fold 7 of 5 folds is none"):
        Split.load(path)


def test_a_plain_file_is_no_fold(tmp_path: Path) -> None:
    cases, path = cases_of(10), tmp_path / "split.json"
    make_split(cases, 0).save(path)
    assert "folds" not in json.loads(path.read_text())
    with pytest.raises(CobotError, match=r"split\.json is no fold, fold 0 of 5 is asked for"):
        resolve_split(cases, path, folds=5)


def test_a_frozen_split_gives_way_to_folds(tmp_path: Path) -> None:
    cases, frozen = cases_of(5), tmp_path / "frozen.json"
    make_split(cases, 9).save(frozen)
    found = resolve_split(cases, tmp_path / "absent.json", frozen, seed=0, folds=5, fold=1)
    assert found == make_split(cases, 0, folds=5, fold=1)


def test_both_scans_of_a_patient_are_tested_together(tmp_path: Path) -> None:
    """SEGRAP's plain and contrast CT of six patients, as its reader finds them."""
    for patient in "abcdef":
        for name in ("image", "image_contrast", "GTVnx"):
            (tmp_path / patient).mkdir(exist_ok=True)
            (tmp_path / patient / f"{name}.nii.gz").touch()
    cases = datasets.get("SEGRAP").find_cases(tmp_path)
    assert len(cases) == 12
    tested = [split.test for split in five(cases)]
    assert sorted(map(len, tested)) == [2, 2, 2, 2, 4]
    assert all(
        f"{case.removesuffix('_contrast')}_contrast" in test for test in tested for case in test
    )
