"""Masks of instances, against pixels worked out by hand and against the datasets' own boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from monai_cobot.errors import CobotError
from monai_cobot.transforms import (
    boxes_from_masks,
    image_transforms,
    instance_masks,
    slice_transforms,
    targets,
)

SIZE = (6, 8)
RECTANGLE = [2, 1, 6, 1, 6, 4, 2, 4]  # the pixels [1:4, 2:6]
# COCO's polygons round outwards, their boxes do not: the most over the 1528 real instances is 4.
BOX_TOLERANCE = 4.0


def outline(*polygons: list[float], **more: Any) -> dict[str, Any]:
    return {"instance": 7, "organ": "ship", "segmentation": list(polygons), "size": SIZE, **more}


def one(instance: dict[str, Any]) -> np.ndarray:
    (mask,) = instance_masks([instance], SIZE).numpy()
    return mask


def block(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[rows, columns] = 1
    return mask


def write_mask(path: Path, mask: np.ndarray) -> str:
    Image.fromarray(mask.astype(np.uint8)).save(path)
    return str(path)


def test_polygons_are_united() -> None:
    np.testing.assert_array_equal(one(outline(RECTANGLE)), block(slice(1, 4), slice(2, 6)))
    both = one(outline(RECTANGLE, [0, 4, 3, 4, 3, 6, 0, 6]))
    union = block(slice(1, 4), slice(2, 6)) | block(slice(4, 6), slice(0, 3))
    np.testing.assert_array_equal(both, union)


def test_run_lengths_count_down_the_columns() -> None:
    counts = [13, 3, 3, 3, 26]  # column 2 from row 1: three rows, and the same in column 3
    runs = {"counts": counts, "size": list(SIZE)}
    np.testing.assert_array_equal(
        one({"instance": 1, "organ": "a", "segmentation": runs}), block(slice(1, 4), slice(2, 4))
    )


def test_an_outline_between_the_pixel_centres_keeps_its_middle() -> None:
    thin = outline([2.6, 1.2, 2.8, 1.2, 2.8, 1.3, 2.6, 1.3])
    np.testing.assert_array_equal(one(thin), block(slice(1, 2), slice(2, 3)))


def test_mask_files_are_united(tmp_path: Path) -> None:
    first, second = block(slice(0, 2), slice(0, 2)), block(slice(4, 6), slice(1, 8))
    files = [
        write_mask(tmp_path / "a_mask.png", first * 255),
        write_mask(tmp_path / "a_mask_1.png", second),
    ]
    found = one({"instance": 1, "organ": "lesion", "mask_files": files})
    np.testing.assert_array_equal(found, first | second)


def test_a_colour_mask_counts_where_any_channel_does(tmp_path: Path) -> None:
    blue = np.zeros((*SIZE, 3), np.uint8)
    blue[1:3, 2:4, 2] = 9
    files = [write_mask(tmp_path / "blue.png", blue)]
    found = one({"instance": 1, "organ": "lesion", "mask_files": files})
    np.testing.assert_array_equal(found, block(slice(1, 3), slice(2, 4)))


def test_an_index_mask_gives_one_value_within_the_box(tmp_path: Path) -> None:
    index = block(slice(0, 6), slice(0, 8)) * 3
    index[2:4] = 5
    path = write_mask(tmp_path / "index.png", index)
    instance = {"instance": 1, "organ": "tire", "index_mask": path, "value": 5}
    np.testing.assert_array_equal(one(instance), block(slice(2, 4), slice(0, 8)))
    boxed = {**instance, "box": [1.6, 3, 4.5, 9]}  # centres 2.5, 3.5; 4.5 is not inside
    np.testing.assert_array_equal(one(boxed), block(slice(3, 4), slice(2, 4)))


def test_targets_are_no_crowds_and_have_a_mask() -> None:
    instances = [
        outline(RECTANGLE, instance=1),
        outline(RECTANGLE, instance=2, crowd=True),
        {"instance": 3, "organ": "ship", "box": [0, 0, 2, 2]},
        {"instance": 4, "organ": "ship", "mask_files": ["m.png"]},
    ]
    assert [i["instance"] for i in targets(instances)] == [1, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"segmentation": [[0, 0, 1, 1]]},
            r"instance 7 \(ship\) has a segmentation .*three points",
        ),
        ({"segmentation": {"size": SIZE}}, "neither polygons nor run lengths"),
        ({"segmentation": 3}, "neither polygons nor run lengths"),
        ({"segmentation": [[90, 90, 95, 90, 95, 95]]}, r"instance 7 \(ship\) has an empty mask:"),
        ({"size": (6, 9)}, r"annotated for a picture of \(6, 9\) rows and columns, this one has"),
        ({"index_mask": "x.png"}, "has segmentation and index_mask: give one of"),
        ({"segmentation": {"counts": [4], "size": [2, 2]}}, r"run lengths for \(2, 2\), not for"),
    ],
)
def test_bad_outlines(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CobotError, match=message):
        one({**outline(RECTANGLE), **change})


def test_bad_files(tmp_path: Path) -> None:
    empty = write_mask(tmp_path / "e.png", block(slice(0, 0), slice(0, 0)))
    other = write_mask(tmp_path / "o.png", np.ones((6, 9)))
    base = {"instance": 7, "organ": "lesion"}
    for more, message in (
        ({}, r"instance 7 \(lesion\) has no mask: give one of segmentation, mask_files"),
        ({"mask_files": [empty]}, r"has an empty mask in .*e\.png: mend it or take it out"),
        ({"mask_files": [other]}, r"o\.png has \(6, 9\) rows and columns, the picture of instance"),
    ):
        with pytest.raises(CobotError, match=message):
            one({**base, **more})


def picture(tmp_path: Path, instances: list[dict[str, Any]] | None) -> dict[str, Any]:
    image = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "i.png")
    case = {"case": "i", "patient": "video 3", "image": str(tmp_path / "i.png"), "part": "test"}
    return case if instances is None else {**case, "instances": instances}


def test_a_picture_becomes_a_sample(tmp_path: Path) -> None:
    instances = [outline(RECTANGLE, instance=40), outline(RECTANGLE, crowd=True)]
    instances.append(outline([0, 4, 3, 4, 3, 6, 0, 6], instance=2, organ="tire"))
    sample = image_transforms({"tire": 3, "ship": 9})(picture(tmp_path, instances))
    assert sample["image"].shape == (3, *SIZE)
    assert sample["masks"].dtype == torch.uint8
    assert sample["masks"].flatten(1).sum(dim=1).tolist() == [12, 6]
    assert (sample["organs"].tolist(), sample["organs"].dtype) == ([9, 3], torch.int64)
    assert (sample["instances"].tolist(), sample["instances"].dtype) == ([40, 2], torch.int64)
    assert [sample[key] for key in ("case", "patient", "slice")] == ["i", "video 3", 0]
    assert sample["source"].endswith("i.png")


def test_pictures_without_targets_or_without_truth(tmp_path: Path) -> None:
    read = image_transforms({"ship": 1})
    assert read(picture(tmp_path, []))["masks"].shape == (0, *SIZE)
    assert "masks" not in read(picture(tmp_path, None))
    sample = slice_transforms(16)(read(picture(tmp_path, [])))
    assert (sample["target"].shape, sample["boxes"].shape) == ((0, 16, 16), (0, 4))


def test_errors_name_the_case(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"case i: instance 7 is of class 'ship', which is none"):
        image_transforms({"tire": 1})(picture(tmp_path, [outline(RECTANGLE)]))
    with pytest.raises(CobotError, match=r"case i: instance 7 \(ship\) has an empty mask"):
        image_transforms({"ship": 1})(picture(tmp_path, [outline([90, 90, 95, 90, 95, 95])]))


@pytest.mark.parametrize(
    ("dataset", "annotations", "images"),
    [
        ("COCO", "annotations/instances_train2017.json", "train2017"),
        ("COCO", "annotations/instances_val2017.json", "val2017"),
        ("TRCAN", "instances_val_trashcan.json", "val"),
        ("NWPU", "annotations/NWPU_instances_val.json", "imgs"),
        ("SSDD", "annotations/SSDD_instances_train.json", "imgs"),
    ],
)
def test_real_masks_fill_the_boxes_of_their_files(
    real_data: Path, dataset: str, annotations: str, images: str
) -> None:
    content = json.loads((real_data / dataset / annotations).read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    read = image_transforms({name: label for label, name in names.items()})
    for image in content["images"]:
        own = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        instances = [
            {
                "instance": a["id"],
                "organ": names[a["category_id"]],
                "segmentation": a["segmentation"],
                "size": [image["height"], image["width"]],
                **({"crowd": True} if a["iscrowd"] else {}),
            }
            for a in own
        ]
        path = real_data / dataset / images / image["file_name"]
        sample = read({"case": path.stem, "image": path, "instances": instances})
        single = [a for a in own if not a["iscrowd"]]
        assert sample["organs"].tolist() == [a["category_id"] for a in single]
        for box, a in zip(boxes_from_masks(sample["masks"]).tolist(), single, strict=True):
            x, y, width, height = a["bbox"]
            np.testing.assert_allclose(box, [x, y, x + width, y + height], atol=BOX_TOLERANCE)
