"""A warm start knows its files without reading them, and never takes one for another."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from monai_cobot.data import known_files
from monai_cobot.data.known_files import content_name
from monai_cobot.errors import CobotError


@pytest.fixture
def item(tmp_path: Path) -> dict[str, Any]:
    for name in ("image", "label"):
        (tmp_path / name).write_bytes(name.encode())
    return {"case": "a", "image": str(tmp_path / "image"), "label": str(tmp_path / "label")}


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry each time files are hashed; they count as settled at once."""
    times: list[int] = []
    hash_cases = known_files.hash_cases

    def counting(cases):
        times.append(len(cases))
        return hash_cases(cases)

    monkeypatch.setattr(known_files, "hash_cases", counting)
    monkeypatch.setattr(known_files, "SETTLED_NS", -1)
    return times


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def test_files_are_hashed_once(item, hashed, folder: Path) -> None:
    name = content_name(folder, ["recipe"], item)
    assert content_name(folder, ["recipe"], {**item, "case": "b", "slices": [1]}) == name
    assert len(hashed) == 1
    assert len(name) == 32
    others = [
        content_name(folder, ["another"], item),
        content_name(folder, ["recipe"], {**item, "label_values": {2: 1}}),
        content_name(folder, ["recipe"], {**item, "label_values": {3: 1}}),
    ]
    assert len({name, *others}) == 4


def test_what_changes_while_it_is_hashed_is_not_remembered(
    item, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that a slow clock of the file system gives the time of the one before."""
    hash_cases, label = known_files.hash_cases, Path(item["label"])
    monkeypatch.setattr(known_files, "SETTLED_NS", 200_000_000)

    def slow(cases):
        found = hash_cases(cases)
        time.sleep(0.3)  # longer than it takes a file to count as settled
        return found

    monkeypatch.setattr(known_files, "hash_cases", slow)
    label.write_bytes(b"first")
    content_name(folder, [], item)
    assert not list(folder.iterdir())


def test_a_changed_file_has_another_name(item, hashed, folder: Path) -> None:
    """Of the same size and modification time, as a copy that keeps the times leaves it."""
    name, label = content_name(folder, [], item), Path(item["label"])
    other = label.with_name("other")
    other.write_bytes(b"LABEL")
    times = label.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    shutil.copy2(other, label)
    assert (label.stat().st_size, label.stat().st_mtime_ns) == (5, times.st_mtime_ns)
    changed = content_name(folder, [], item)
    assert changed != name
    label.write_bytes(b"label")
    assert content_name(folder, [], item) == name  # the content is what counts
    assert len(hashed) == 3


def test_what_was_changed_just_now_is_hashed_again(item, hashed, folder, monkeypatch) -> None:
    monkeypatch.setattr(known_files, "SETTLED_NS", 3_600_000_000_000)
    assert content_name(folder, [], item) == content_name(folder, [], item)
    assert len(hashed) == 2
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written(item, hashed, folder, monkeypatch) -> None:
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    expected = content_name(folder, [1], item)
    shutil.rmtree(folder)
    folder.mkdir()
    monkeypatch.setattr(Path, "write_text", refused)
    assert content_name(folder, [1], item) == expected


@pytest.mark.parametrize("content", [b"", b"half a name", b"\xff" * 32])
def test_a_damaged_shortcut_is_passed_over(item, hashed, folder: Path, content: bytes) -> None:
    name = content_name(folder, [], item)
    (known,) = folder.glob("*.known")
    known.write_bytes(content)
    assert content_name(folder, [], item) == name
    assert known.read_text() == name


def test_a_missing_file_is_named(item, folder: Path) -> None:
    Path(item["image"]).unlink()
    with pytest.raises(CobotError, match=r"image cannot be read \(No such file.*: mend the file"):
        content_name(folder, [], item)
