from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from monai_cobot.data import datasets
from monai_cobot.data.checks import check_cases
from monai_cobot.data.trcan import INSTANCE_CLASSES, MATERIAL_CLASSES, TRCAN, video_of
from monai_cobot.errors import CobotError
from tests.data.picture_files import annotation, image, published, save_picture, write_coco

LISTS = {"training": "instances_train_trashcan.json", "test": "instances_val_trashcan.json"}


def test_classes_are_those_of_the_file_and_of_its_readme(real_data: Path) -> None:
    folder = real_data / "TRCAN"
    for name in LISTS.values():
        table = published(folder / name)["categories"]
        assert [(c["id"], c["name"]) for c in table] == list(enumerate(INSTANCE_CLASSES, start=1))
    told = re.findall(r"^\| (\w+)\s+\| \d+", (folder / "README.original.txt").read_text(), re.M)
    assert sorted(told) == sorted(INSTANCE_CLASSES)


def test_real_files_agree_with_their_json(real_data: Path) -> None:
    cases = TRCAN.find_cases(real_data / "TRCAN")
    check_cases(cases, TRCAN)
    for part, name in LISTS.items():
        content = published(real_data / "TRCAN" / name)
        mine = [case for case in cases if case["part"] == part]
        assert {Path(case["image"]).name for case in mine} == {
            each["file_name"] for each in content["images"]
        }
        names = {category["id"]: category["name"] for category in content["categories"]}
        assert Counter(i["organ"] for case in mine for i in case["instances"]) == Counter(
            names[a["category_id"]] for a in content["annotations"]
        )


def test_frames_of_a_video_are_a_group_across_the_published_parts(real_data: Path) -> None:
    cases = TRCAN.find_cases(real_data / "TRCAN")
    assert all(case["case"].startswith(f"{case['patient']}_frame") for case in cases)
    sides: dict[str, set[str]] = {}
    for case in cases:
        sides.setdefault(case["patient"], set()).add(case["part"])
    assert len(sides) == 44
    assert sum(len(parts) == 2 for parts in sides.values()) == 6


@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("vid_000012_frame0000034", "vid_000012"),
        ("train_vid_000012_frame0000034", "vid_000012"),
        ("another", "another"),
    ],
)
def test_video_of_a_frame(name: str, video: str) -> None:
    assert video_of(name) == video


def make(folder: Path, classes: tuple[str, ...]) -> None:
    for side in ("train", "val"):
        name = f"vid_000001_frame000000{len(side)}.jpg"
        save_picture(folder / side / name)
        write_coco(
            folder / f"instances_{side}_trashcan.json",
            [image(1, name)],
            [annotation(1, 1, len(classes))],
            classes,
        )


@pytest.mark.parametrize("above", ["", "dataset"])
def test_each_version_is_found_in_the_archive(tmp_path: Path, above: str) -> None:
    make(tmp_path / above / "instance_version", INSTANCE_CLASSES)
    make(tmp_path / above / "material_version", MATERIAL_CLASSES)
    for code, last in (("TRCAN", "trash_net"), ("TRCAN-MATERIAL", "trash_wood")):
        cases = datasets.get(code).find_cases(tmp_path)
        assert [case["instances"][0]["organ"] for case in cases] == [last, last]
        assert {case["patient"] for case in cases} == {"vid_000001"}


def test_the_other_version_names_the_right_code(tmp_path: Path) -> None:
    make(tmp_path / "m", MATERIAL_CLASSES)
    make(tmp_path / "i", INSTANCE_CLASSES)
    with pytest.raises(CobotError, match="another version: use dataset TRCAN-MATERIAL"):
        datasets.get("TRCAN").find_cases(tmp_path / "m")
    with pytest.raises(CobotError, match=r"another version: use dataset TRCAN$"):
        datasets.get("TRCAN-MATERIAL").find_cases(tmp_path / "i")


def test_a_table_that_is_cut_is_refused(tmp_path: Path) -> None:
    make(tmp_path, INSTANCE_CLASSES[:-2])
    with pytest.raises(CobotError, match="lacks the categories trash_rope, trash_net: restore"):
        TRCAN.find_cases(tmp_path)
