from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_cobot.data import datasets
from monai_cobot.data.checks import check_cases
from monai_cobot.data.coco import CLASSES, COCO
from monai_cobot.data.spec import target_instances
from monai_cobot.errors import CobotError
from tests.data.picture_files import annotation, image, published, save_picture, write_coco

TRAIN, VAL = "annotations/instances_train2017.json", "annotations/instances_val2017.json"


def test_classes_are_those_of_the_file_in_its_order(real_data: Path) -> None:
    for name in (TRAIN, VAL):
        table = published(real_data / "COCO" / name)["categories"]
        names = [category["name"] for category in sorted(table, key=lambda c: c["id"])]
        assert list(COCO.names) == names
        assert list(COCO.labels.values()) == list(range(1, 81))


def test_real_files_agree_with_their_json(real_data: Path) -> None:
    cases = datasets.get("COCO").find_cases(real_data / "COCO")
    check_cases(cases, COCO)
    assert [case["case"] for case in cases] == sorted(case["case"] for case in cases)
    for name, part, count in ((TRAIN, "training", 19), (VAL, "test", 22)):
        content = published(real_data / "COCO" / name)
        mine = {case["case"]: case for case in cases if case["part"] == part}
        assert len(mine) == len(content["images"]) == count
        names = {category["id"]: category["name"] for category in content["categories"]}
        stems = {each["id"]: Path(each["file_name"]).stem for each in content["images"]}
        found = {
            (name, i["instance"]): (i["organ"], i.get("crowd", False), i["segmentation"])
            for name, case in mine.items()
            for i in case["instances"]
        }
        assert found == {
            (stems[a["image_id"]], a["id"]): (
                names[a["category_id"]],
                bool(a["iscrowd"]),
                a["segmentation"],
            )
            for a in content["annotations"]
        }


def test_crowds_of_the_real_files_are_no_targets(real_data: Path) -> None:
    cases = COCO.find_cases(real_data / "COCO")
    assert sum(len(case["instances"]) for case in cases) == 421
    assert sum(len(target_instances(case)) for case in cases) == 421 - 6


def test_a_plain_folder_is_read_for_inference(real_data: Path) -> None:
    cases = COCO.find_images(real_data / "COCO" / "val2017")
    assert len(cases) == 22
    assert all(set(case) == {"case", "patient", "image"} for case in cases)
    assert len(COCO.find_images(real_data / "COCO")) == 41


def test_one_list_is_enough_and_cases_are_plain_data(tmp_path: Path) -> None:
    save_picture(tmp_path / "val2017/1.jpg")
    write_coco(tmp_path / VAL, [image(1, "1.jpg")], [annotation(9, 1, 10)], CLASSES)
    cases = COCO.find_cases(tmp_path)
    assert [(c["case"], c["part"], c["instances"][0]["organ"]) for c in cases] == [
        ("1", "test", "traffic light")
    ]
    assert json.loads(json.dumps(cases)) == cases


def test_equal_names_of_two_folders_are_told_apart(tmp_path: Path) -> None:
    for seed, (name, folder) in enumerate(((TRAIN, "train2017"), (VAL, "val2017"))):
        for file in ("1.jpg", f"{folder}.jpg"):
            save_picture(tmp_path / folder / file, seed=seed)
        write_coco(tmp_path / name, [image(1, "1.jpg"), image(2, f"{folder}.jpg")], [], CLASSES)
    found = {case["case"]: case["patient"] for case in COCO.find_cases(tmp_path)}
    assert found == {name: name for name in ("train2017", "train2017_1", "val2017", "val2017_1")}


def test_no_layout(tmp_path: Path) -> None:
    message = r"no dataset of a known layout: expected annotations/instances_train2017\.json with"
    with pytest.raises(CobotError, match=message):
        COCO.find_cases(tmp_path)
    with pytest.raises(
        CobotError, match=r"no picture in .*: expected \.png, \.jpg.*or annotations/"
    ):
        COCO.find_images(tmp_path)
    with pytest.raises(CobotError, match="is no folder: give dataset_dir"):
        COCO.find_cases(tmp_path / "absent")


def test_no_folder_of_images(tmp_path: Path) -> None:
    write_coco(tmp_path / VAL, [image(1, "1.jpg")], [], CLASSES)
    with pytest.raises(CobotError, match=r"not the folder of its images: expected .*val2017"):
        COCO.find_cases(tmp_path)
