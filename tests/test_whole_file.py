"""A file is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_cobot.whole_file import whole_file


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


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.pt") as file:
        left = file
        file.write_text("new")
    left.write_text("half")
    with whole_file(tmp_path / "a.pt") as file:
        file.write_text("newer")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]
