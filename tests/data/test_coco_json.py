"""COCO's format, on files that are wrong in one way each."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from monai_cobot.data.coco_json import category_names, coco_cases, read_coco
from monai_cobot.data.spec import Case, target_instances
from monai_cobot.errors import CobotError
from tests.data.picture_files import (
    SIZE,
    TRIANGLE,
    annotation,
    block,
    image,
    save_picture,
    write_coco,
)

CLASSES = ("traffic light", "ship")


def read(folder: Path, *annotations: dict[str, Any]) -> list[Case]:
    save_picture(folder / "a.jpg")
    path = write_coco(folder / "x.json", [image(7, "a.jpg")], annotations, CLASSES)
    coco = read_coco(path)
    return coco_cases(coco, path, folder, category_names(coco, path, CLASSES))


def test_a_case_carries_what_the_file_says(tmp_path: Path) -> None:
    (case,) = read(tmp_path, annotation(31, 7, 2), annotation(4, 7, 1, bbox=[0.5, 1, 2.25, 3]))
    assert case == {
        "case": "a",
        "patient": "a",
        "image": str(tmp_path / "a.jpg"),
        "annotations": str(tmp_path / "x.json"),
        "image_id": 7,
        "categories": {"traffic light": 1, "ship": 2},
        "instances": [
            {
                "instance": 31,
                "organ": "ship",
                "box": [1, 1, 5, 4],
                "segmentation": [TRIANGLE],
                "size": [6, 8],
            },
            {
                "instance": 4,
                "organ": "traffic light",
                "box": [0.5, 1, 2.75, 4],
                "segmentation": [TRIANGLE],
                "size": [6, 8],
            },
        ],
    }


def test_nothing_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(tmp_path, annotation(1, 7))
    assert capsys.readouterr().out == ""


def test_an_image_without_instances_stays(tmp_path: Path) -> None:
    (case,) = read(tmp_path)
    assert case["instances"] == []


def test_a_crowd_stays_and_is_no_target(tmp_path: Path) -> None:
    counts = {"counts": [6, 6, 36], "size": [6, 8]}
    (case,) = read(tmp_path, annotation(1, 7, iscrowd=1, segmentation=counts), annotation(2, 7))
    assert [i.get("crowd") for i in case["instances"]] == [True, None]
    assert [i["instance"] for i in target_instances(case)] == [2]


@pytest.mark.parametrize("compressed", [True, False])
def test_run_lengths_of_a_target_are_kept(tmp_path: Path, compressed: bool) -> None:
    pixels = np.asfortranarray(block(1, 2, 3, 5, value=1))
    # uncompressed, by hand: column-major, first the zeros
    runs: dict[str, Any] = {"size": [6, 8], "counts": [13, 2, 4, 2, 4, 2, 21]}
    if compressed:
        runs = coco_mask.encode(pixels)
        runs["counts"] = runs["counts"].decode()
    (case,) = read(tmp_path, annotation(1, 7, segmentation=runs))
    kept = case["instances"][0]["segmentation"]
    decoded = coco_mask.decode(kept if compressed else coco_mask.frPyObjects(kept, *SIZE))
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize(
    "outline",
    [
        None,
        [],
        [[1.0, 1.0, 2.0, 2.0]],  # two points, which pycocotools would take for a box
        [[20.0, 20.0, 25.0, 20.0, 25.0, 25.0]],
        [[-9.0, 1.0, -5.0, 1.0, -5.0, 3.0]],
        [[1.0, 6.5, 5.0, 6.5, 5.0, 7.5]],
        {"size": [6, 8], "counts": [48]},
    ],
    ids=["none", "empty", "two points", "right of it", "left of it", "below it", "no pixel"],
)
def test_an_outline_without_use_leaves_no_mask(
    tmp_path: Path, outline: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        (case,) = read(tmp_path, annotation(5, 7, segmentation=outline), annotation(6, 7))
    assert [i["instance"] for i in case["instances"]] == [5, 6]
    assert [i["instance"] for i in target_instances(case)] == [6]
    assert "1 annotations have no usable outline and are no targets, the first is 5" in caplog.text


def test_an_outline_at_the_right_edge_is_one(tmp_path: Path) -> None:
    edge = [6.5, 1.0, 7.5, 1.0, 7.5, 4.0]  # the picture has 8 columns and 6 rows
    (case,) = read(tmp_path, annotation(5, 7, segmentation=[edge]))
    assert len(target_instances(case)) == 1


def test_of_several_polygons_the_short_ones_go(tmp_path: Path) -> None:
    (case,) = read(tmp_path, annotation(5, 7, segmentation=[[1, 1, 2, 2], TRIANGLE]))
    assert case["instances"][0]["segmentation"] == [TRIANGLE]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 8}, r"annotation 5 has the image_id 8, which the file does not list: mend"),
        ({"category_id": 3}, r"annotation 5 has the category_id 3, which the file does not list"),
        ({"bbox": [1, 2, 3]}, r"annotation 5 has the bbox \[1, 2, 3\]: give x, y, width, height"),
        ({"segmentation": "abc"}, r"annotation 5 has the segmentation 'abc': give polygons or RLE"),
        ({"segmentation": TRIANGLE}, r"annotation 5 has the polygon 1.0: give a list of numbers"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, r"has the polygon .*: give a list of numbers"),
        ({"segmentation": [[1, 2, 3, 4, 5, None]]}, r"has the polygon .*: give a list of numbers"),
        (
            {"segmentation": {"size": [8, 6], "counts": [48]}},
            r"run lengths of the size \[8, 6\], its image has \[6, 8\] \(rows, columns\): mend",
        ),
        (
            {"segmentation": {"size": [6, 8], "counts": [40, 4]}},
            r"unreadable run lengths \(44 pixels in all\): mend",
        ),
        ({"segmentation": {"size": [6, 8]}}, r"unreadable run lengths \('counts'\)"),
        ({"id": None}, r"an entry of 'annotations' has no whole number as id"),
    ],
)
def test_a_broken_annotation(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CobotError, match=rf"x\.json.*{message}"):
        read(tmp_path, annotation(5, 7) | change)


def test_an_id_twice(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"id 5 is there twice in 'annotations': give each its"):
        read(tmp_path, annotation(5, 7), annotation(5, 7))


def test_an_unknown_category(tmp_path: Path) -> None:
    path = write_coco(tmp_path / "x.json", [], [], ("ship", "whale"))
    with pytest.raises(CobotError, match=r"unknown categories \['whale'\]: expected only traffic"):
        category_names(read_coco(path), path, CLASSES)


def test_spelling_of_categories_does_not_matter(tmp_path: Path) -> None:
    path = write_coco(tmp_path / "x.json", [], [], ("Traffic_Light",))
    assert category_names(read_coco(path), path, CLASSES) == {1: "traffic light"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not readable as JSON"),
        ("[]", "must hold a JSON object, found list"),
        ('{"images": []}', "has no list 'annotations': COCO's instance files have images, annot"),
        ('{"images": [3], "annotations": [], "categories": []}', "has no list 'images'"),
    ],
)
def test_a_broken_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(CobotError, match=message):
        read_coco(tmp_path / "x.json")


def test_missing_images_are_counted(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.jpg")
    images = [image(1, "a.jpg"), image(2, "c.jpg"), image(3, "b.jpg")]
    path = write_coco(tmp_path / "x.json", images, [], CLASSES)
    message = r"names c\.jpg, which is not in .* \(2 of 3 images are not\): complete the folder"
    with pytest.raises(CobotError, match=message):
        coco_cases(read_coco(path), path, tmp_path, {})


@pytest.mark.parametrize("change", [{"height": None}, {"width": 0}, {"file_name": None}])
def test_an_image_without_size_or_name(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write_coco(tmp_path / "x.json", [image(4, "a.jpg") | change], [], CLASSES)
    with pytest.raises(CobotError, match="image 4 needs a file_name, a height and a width: add"):
        coco_cases(read_coco(path), path, tmp_path, {})


def test_an_image_listed_twice(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.jpg")
    path = write_coco(tmp_path / "x.json", [image(1, "a.jpg"), image(2, "a.jpg")], [], CLASSES)
    with pytest.raises(CobotError, match="case 'a' is there twice"):
        coco_cases(read_coco(path), path, tmp_path, {})
