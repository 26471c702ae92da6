"""The slice cache when things go wrong: killed, damaged, read-only, without its files."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_cobot.data import slice_cache
from monai_cobot.data.slice_cache import SliceCache, Stacks
from monai_cobot.data.slices import SliceDataset
from monai_cobot.errors import CobotError
from monai_cobot.transforms import volume_transforms
from tests.data.cohort import CT, RECIPE, Counting, make_items


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return make_items(tmp_path_factory.mktemp("cohort"), 2)


def saved_whole(folder: Path) -> list[str]:
    """Kinds of the arrays whose files are there under their own names."""
    files = [f for f in folder.iterdir() if f.suffix == ".npy" and not f.name.startswith(".")]
    return sorted(file.stem.rpartition("_")[2] for file in files)


def be_killed(folder: str, item: dict[str, Any], times: int) -> None:
    """Fill the cache, and be killed when so many arrays were written and half of one more."""
    save, left = np.save, times

    def half(file: Any, array: np.ndarray) -> None:
        nonlocal left
        if not left:
            save(file, array[: len(array) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        save(file, array)

    slice_cache.np.save = half  # of this process alone
    SliceCache(Path(folder), RECIPE).stacks([item], volume_transforms(CT))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal on Windows")
@pytest.mark.parametrize(("times", "whole"), [(0, []), (1, ["image"])])
def test_killed_while_writing(items, tmp_path: Path, times: int, whole: list[str]) -> None:
    """Files appear whole or not at all, and the next start makes the volume anew."""
    folder = tmp_path / "cache"
    process = multiprocessing.get_context("spawn").Process(
        target=be_killed, args=(str(folder), items[0], times)
    )
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    assert saved_whole(folder) == whole
    read = Counting(tmp_path / "notes")
    (found,) = SliceCache(folder, RECIPE).stacks(items[:1], read)
    assert read.times == 1
    assert saved_whole(folder) == ["image", "label"]
    expected = pixels(SliceCache(tmp_path / "other", RECIPE).stacks(items[:1], read)[0])
    assert same(found, expected)


def pixels(stacks: Stacks) -> list[np.ndarray]:
    return [np.array(stack.mapped()) for stack in (stacks.image, stacks.label)]


def same(found: Stacks, expected: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, pixels(found), expected))


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


def cut_in_its_header(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:40])


def of_fewer_slices(file: Path) -> None:
    stack = np.load(file)[:3]
    with file.open("wb") as target:
        np.save(target, stack)


def of_another_type(file: Path) -> None:
    stack = np.load(file).astype(np.int8)
    with file.open("wb") as target:
        np.save(target, stack)


FAULTS = (emptied, cut, cut_in_its_header, of_fewer_slices, of_another_type, Path.unlink)


@pytest.mark.parametrize("kind", ["image", "label"])
@pytest.mark.parametrize("damage", FAULTS, ids=lambda fault: fault.__name__)
def test_a_damaged_file_is_made_anew(
    items, tmp_path: Path, caplog, kind: str, damage: Callable[[Path], None]
) -> None:
    read, folder = Counting(tmp_path / "notes"), tmp_path / "cache"
    cache = SliceCache(folder, RECIPE)
    expected = pixels(cache.stacks(items[:1], read)[0])
    damage(next(folder.glob(f"*_{kind}.npy")))
    (found,) = cache.stacks(items[:1], read)
    assert read.times == 2
    assert same(found, expected)
    assert "is damaged" in caplog.text
    assert "read again" in caplog.text
    cache.stacks(items[:1], read)
    assert read.times == 2


def test_a_damaged_record(items, tmp_path: Path) -> None:
    read, folder = Counting(tmp_path / "notes"), tmp_path / "cache"
    cache = SliceCache(folder, RECIPE)
    cache.stacks(items[:1], read)
    (record,) = folder.glob("*.json")
    whole = json.loads(record.read_text())
    no_boxes = json.dumps({key: whole[key] for key in ("image", "label")})
    half_a_box = json.dumps({**whole, "boxes": [*whole["boxes"][:-1], whole["boxes"][-1][:3]]})
    for content in ("", "{}", '{"image": 3}', no_boxes, half_a_box):
        record.write_text(content)
        cache.stacks(items[:1], read)
        assert json.loads(record.read_text()) == whole
    assert read.times == 6


def as_if_read_only(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What the system says to who may read a folder alone; root may write everywhere."""

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "utime", refused)
    monkeypatch.setattr(slice_cache.FileLock, "acquire", refused)
    monkeypatch.setattr("monai_cobot.data.known_files.whole_file", refused)


def test_a_complete_folder_may_be_read_only(items, tmp_path: Path, monkeypatch) -> None:
    read, cache = Counting(tmp_path / "notes"), SliceCache(tmp_path / "cache", RECIPE)
    expected = pixels(cache.stacks(items[:1], read)[0])
    as_if_read_only(monkeypatch, cache.folder)
    (found,) = cache.stacks(items[:1], read)
    assert same(found, expected)
    with pytest.raises(CobotError, match=r"cache_dir .* cannot be written .*: choose another"):
        cache.stacks(items, read)
    assert read.times == 1


def test_too_many_open_files_are_no_damage(items, tmp_path: Path, monkeypatch) -> None:
    read, cache = Counting(tmp_path / "notes"), SliceCache(tmp_path / "cache", RECIPE)
    cache.stacks(items[:1], read)

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(np, "load", refused)
    with pytest.raises(CobotError, match=r"cache_dir .* cannot be read \(.*Too many open files"):
        cache.stacks(items[:1], read)
    assert read.times == 1


def test_a_file_that_goes_while_it_is_used(items, tmp_path: Path) -> None:
    cache = SliceCache(tmp_path / "cache", RECIPE)
    dataset = SliceDataset(items[:1], volume_transforms(CT), dict, cache=cache)
    next(cache.folder.glob("*_label.npy")).unlink()
    with pytest.raises(CobotError, match=r"_label\.npy of cache_dir cannot be read any more"):
        dataset[0]
    again = SliceDataset(items[:1], volume_transforms(CT), dict, cache=cache)
    assert len(again[0]["label"]) == 1


@pytest.mark.parametrize("key", ["image", "label"])
def test_a_missing_volume_is_no_fault_of_the_cache(items, tmp_path: Path, key: str) -> None:
    item = {**items[0], key: str(tmp_path / "nothing.nii.gz")}
    with pytest.raises(CobotError, match=r"nothing\.nii\.gz cannot be read \(No such file"):
        SliceCache(tmp_path / "cache", RECIPE).stacks([item], volume_transforms(CT))


def test_what_reading_raises_stays(items, tmp_path: Path) -> None:
    def broken(item: Mapping[str, Any]) -> Mapping[str, Any]:
        raise OSError("disk of the volumes")

    cache = SliceCache(tmp_path / "cache", RECIPE)
    with pytest.raises(OSError, match="disk of the volumes"):
        cache.stacks(items[:1], broken)
    assert len(cache.stacks(items[:1], volume_transforms(CT))) == 1  # the lock was given back


class Dying:
    """Ends its process at once, as the kernel does where memory runs out."""

    def __call__(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        os._exit(9)


def test_a_worker_that_is_killed(items, tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"memory runs out: give fewer than num_workers=1"):
        SliceCache(tmp_path / "cache", RECIPE, workers=1).stacks(items[:1], Dying())
