"""Splits that follow a dataset's own lists."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from monai_cobot.data import datasets
from monai_cobot.data.splits import Split, make_split, resolve_split
from monai_cobot.errors import CobotError

Cases = list[dict[str, str]]


def listed(**parts: str) -> Cases:
    """Cases of parts; each word is a case, ``case@patient`` names its patient."""
    return [
        {"case": word.partition("@")[0], "patient": word.partition("@")[2] or word, "part": part}
        for part, words in parts.items()
        for word in words.split()
    ]


THREE = listed(training="a b c", validation="d", test="e f")
TWO = listed(training=" ".join(f"t{i}" for i in range(10)), test="x y z")
SHARED = listed(training="a1@a b1@b c1@c", validation="v1@b w1@w", test="x1@a y1@y z1@w")


def test_three_lists_are_the_split() -> None:
    split = make_split(THREE, seed=3)
    assert (split.training, split.validation, split.test) == (("a", "b", "c"), ("d",), ("e", "f"))
    assert split.seed is None
    assert split.by == "patient"
    assert split == make_split(THREE[::-1], seed=9)


def test_without_a_validation_list_a_fifth_of_the_training_groups_is_drawn() -> None:
    split = make_split(TWO, seed=0)
    assert split.test == ("x", "y", "z")
    assert (len(split.training), len(split.validation)) == (8, 2)
    assert split.seed == 0
    assert split == make_split(TWO[::-1], seed=0)
    assert len({make_split(TWO, seed=seed).validation for seed in range(8)}) > 1
    assert {make_split(TWO, seed=seed).test for seed in range(8)} == {split.test}


def test_a_drawn_group_goes_whole() -> None:
    cases = listed(training=" ".join(f"t{i}@p{i // 4}" for i in range(40)), test="x")
    split = make_split(cases, seed=1)
    assert len(split.validation) == 8
    assert len({split.patients[case] for case in split.validation}) == 2


def test_one_training_group_leaves_no_validation(caplog: pytest.LogCaptureFixture) -> None:
    split = make_split(listed(training="a@p b@p", test="x"), seed=0)
    assert (split.training, split.validation) == (("a", "b"), ())
    assert "no validation part" in caplog.text


def test_shared_groups_are_kept_and_named(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    split = make_split(SHARED, seed=0)
    assert split.training == ("a1", "b1", "c1")
    assert split.validation == ("v1", "w1")
    assert split.test == ("x1", "y1", "z1")
    assert split.shared == ("a", "b", "w")
    assert "3 patients (or videos) are on several of the published lists" in caplog.text
    assert "They are a, b, w" in caplog.text
    path = tmp_path / "split.json"
    split.save(path)
    assert Split.load(path) == split
    assert resolve_split(SHARED, path) == split


def test_only_named_groups_may_be_shared(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    make_split(SHARED, seed=0).save(path)
    content = json.loads(path.read_text())
    content["shared"].remove("w")
    path.write_text(json.dumps(content))
    with pytest.raises(CobotError, match="patient w is in validation and in test"):
        Split.load(path)


def test_shared_groups_are_never_drawn_for_the_validation() -> None:
    cases = listed(training=" ".join(f"t{i}@p{i}" for i in range(10)), test="x@p0 y@p1 z@q")
    for seed in range(20):
        split = make_split(cases, seed)
        assert len(split.validation) == 2
        assert not {"t0", "t1"} & set(split.validation)


def test_shared_groups_are_moved_where_asked(caplog: pytest.LogCaptureFixture) -> None:
    split = make_split(SHARED, seed=0, move_shared=True)
    assert split.training == ("a1", "b1", "c1", "v1", "x1")
    assert split.validation == ("w1", "z1")
    assert split.test == ("y1",)
    assert split.shared == ()
    assert "several of the published lists" not in caplog.text


@pytest.mark.parametrize(
    "cases",
    [
        [*TWO, {"case": "new", "patient": "new"}],  # one without a part
        listed(training="a b c d e"),  # no test list
        listed(test="a b c d e"),
    ],
)
def test_lists_that_make_no_split_are_drawn_from(cases: Cases) -> None:
    plain = [{"case": case["case"], "patient": case["patient"]} for case in cases]
    assert make_split(cases, seed=2) == make_split(plain, seed=2)


def test_a_users_file_comes_before_the_lists(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    sides = {"training": ["e", "f"], "validation": [], "test": ["a", "b", "c", "d"]}
    mine.write_text(json.dumps(sides))
    assert resolve_split(THREE, mine).training == ("e", "f")


def test_bad_parts_and_pictures_by_slice() -> None:
    with pytest.raises(CobotError, match="case q is in part 'dev': choose one of training"):
        make_split(listed(training="a", test="b", dev="q"), seed=0)
    with pytest.raises(CobotError, match="split_by slice, but a, b, c, d, e have no label volume"):
        make_split(THREE, seed=0, by="slice")


@pytest.mark.parametrize(
    ("code", "sizes", "shared"),
    [
        ("COCO", (15, 4, 22), 0),
        ("NWPU", (120, 30, 50), 0),
        ("SONAR", (384, 96, 120), 0),
        ("TRCAN", (25, 6, 30), 6),
    ],
)
def test_real_lists(
    real_data: Path,
    caplog: pytest.LogCaptureFixture,
    code: str,
    sizes: tuple[int, int, int],
    shared: int,
) -> None:
    cases = datasets.get(code).find_cases(real_data / code)
    with caplog.at_level(logging.WARNING):
        split = make_split(cases, seed=0)
    assert len(split.test) == sizes[2]
    assert {case["case"] for case in cases if case["part"] == "test"} == set(split.test)
    assert len(split.shared) == shared
    assert ("several of the published lists" in caplog.text) == bool(shared)
    if code != "TRCAN":  # there a video has several frames
        assert (len(split.training), len(split.validation)) == sizes[:2]
    moved = make_split(cases, seed=0, move_shared=True)
    groups = [{moved.patients[c] for c in moved.entries(s)} for s in ("training", "test")]
    assert not set.intersection(*groups)
