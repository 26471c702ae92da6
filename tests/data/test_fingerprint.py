from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from monai_cobot.data.fingerprint import hash_cases
from monai_cobot.data.spec import Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    for name in ("image", "m1", "m2"):
        (tmp_path / name).write_text(name)
    lesion = {"instance": 1, "organ": "lesion", "mask_files": [str(tmp_path / "m1")]}
    can = {"instance": 2, "organ": "Can", "index_mask": str(tmp_path / "m2"), "value": 2}
    return {
        "case": "a",
        "patient": "p",
        "image": str(tmp_path / "image"),
        "instances": [lesion, can],
    }


def test_volumes_by_hand(tmp_path: Path) -> None:
    """Name and patient, then the hash of each file: what runs have been told by so far."""
    for name in ("image", "label"):
        (tmp_path / name).write_text(name)
    volume = {
        "case": "a",
        "patient": 7,
        "image": str(tmp_path / "image"),
        "label": str(tmp_path / "label"),
    }
    image, label = (hashlib.sha256(text).digest() for text in (b"image", b"label"))
    assert hash_cases([volume]) == hashlib.sha256(b"a|7|" + image + label).hexdigest()


def test_order_and_place_do_not_count(case: Case, tmp_path: Path) -> None:
    other = {**case, "case": "b"}
    assert hash_cases([case, other]) == hash_cases([other, case])
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("image", "m1", "m2"):
        shutil.copy(tmp_path / name, moved / name)
    lesion, can = case["instances"]
    again = {
        **case,
        "image": str(moved / "image"),
        "instances": [
            {**lesion, "mask_files": [str(moved / "m1")]},
            {**can, "index_mask": str(moved / "m2")},
        ],
    }
    assert hash_cases([again]) == hash_cases([case])


@pytest.mark.parametrize("name", ["image", "m1", "m2"])
def test_every_file_counts(case: Case, tmp_path: Path, name: str) -> None:
    before = hash_cases([case])
    (tmp_path / name).write_text("changed")
    assert hash_cases([case]) != before


@pytest.mark.parametrize("change", [{"organ": "Tire"}, {"value": 3}, {"box": [0, 0, 1, 1]}])
def test_every_word_of_an_instance_counts(case: Case, change: dict[str, Any]) -> None:
    before = hash_cases([case])
    case["instances"][1].update(change)
    assert hash_cases([case]) != before
