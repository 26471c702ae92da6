"""A file is written whole or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from monai_cobot.whole_file import ABANDONED, whole_file


def test_written_whole_in_a_new_folder(tmp_path: Path) -> None:
    with whole_file(tmp_path / "new" / "case_seg.nii.gz") as file:
        assert file.name.endswith("case_seg.nii.gz")
        file.write_text("all")
        assert not (tmp_path / "new" / "case_seg.nii.gz").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["case_seg.nii.gz"]
    assert (tmp_path / "new" / "case_seg.nii.gz").read_text() == "all"


def test_an_error_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")

    def fail() -> None:
        with whole_file(tmp_path / "a.json") as file:
            file.write_text("ha")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


def test_two_writers_at_once_do_not_meet(tmp_path: Path) -> None:
    """Interleaved: the second ends first. Each makes a whole file, the last one stays."""
    target = tmp_path / "a.npy"
    with whole_file(target) as one, one.open("w") as first:
        first.write("one, ")
        with whole_file(target) as two, two.open("w") as second:
            second.write("two")
        assert target.read_text() == "two"
        first.write("and whole")
        first.flush()
        assert target.read_text() == "two"
    assert target.read_text() == "one, and whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_an_error_of_one_writer_leaves_the_other_alone(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_file(tmp_path / "a.pt") as file:
            file.write_text("half")
            raise RuntimeError("midway")

    with whole_file(tmp_path / "a.pt") as file:
        file.write_text("all")
        with pytest.raises(RuntimeError, match="midway"):
            fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]
    assert (tmp_path / "a.pt").read_text() == "all"


def test_what_a_killed_process_left_goes_a_day_later(tmp_path: Path) -> None:
    """And no sooner, since it may be another writer's; that of other files is left to them."""
    left = []
    for name, age in (("a.pt", 2), ("a.pt", 0), ("b.a.pt", 2), ("other.pt", 2)):
        with whole_file(tmp_path / name) as file:
            file.write_text("new")
        file.write_text("half")
        written = time.time() - age * ABANDONED
        os.utime(file, (written, written))
        left.append(file)
    with whole_file(tmp_path / "a.pt") as file:
        file.write_text("newer")
    assert [file.exists() for file in left] == [False, True, True, True]
    assert (tmp_path / "a.pt").read_text() == "newer"
