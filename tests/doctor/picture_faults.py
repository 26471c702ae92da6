"""Faults planted into small datasets of pictures, one by one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.data.picture_files import (
    SIZE,
    annotation,
    block,
    image,
    save_mask,
    save_picture,
    write_coco,
)

Plant = Callable[[Path], Path]


def make_ships(root: Path) -> Path:
    """SSDD's layout: two pictures a part, a ship each."""
    for number in (1, 2, 3, 4):
        save_picture(picture(root, number), seed=number)
    for part, numbers in (("train", (1, 2)), ("val", (3, 4))):
        write_coco(
            lists(root, part),
            [image(n, f"{n}.png") for n in numbers],
            [annotation(10 + n, n) for n in numbers],
            ("ship",),
        )
    return root


def picture(root: Path, number: int = 2) -> Path:
    return root / "imgs" / f"{number}.png"


def lists(root: Path, part: str = "train") -> Path:
    return root / "annotations" / f"SSDD_instances_{part}.json"


def edited(edit: Callable[[dict[str, Any]], None]) -> Plant:
    """The training's JSON with something changed."""

    def plant(root: Path) -> Path:
        content = json.loads(lists(root).read_text())
        edit(content)
        lists(root).write_text(json.dumps(content))
        return lists(root)

    return plant


def second(**changes: Any) -> Plant:
    """The second annotation with other values."""
    return edited(lambda content: content["annotations"][1].update(changes))


def twice(key: str) -> Plant:
    return edited(lambda content: content[key].append(content[key][-1]))


def resaved(change: Callable[[Image.Image], Image.Image]) -> Plant:
    def plant(root: Path) -> Path:
        change(Image.open(picture(root))).save(picture(root))
        return picture(root)

    return plant


def missing(root: Path) -> Path:
    picture(root).unlink()
    return picture(root)


def truncated(root: Path) -> Path:
    save_picture(picture(root), SIZE, seed=9)
    data = picture(root).read_bytes()
    picture(root).write_bytes(data[: len(data) - 40])
    return picture(root)


def no_json(root: Path) -> Path:
    lists(root).write_text("{")
    return lists(root)


def copied(root: Path) -> Path:
    """Of a picture of the training in the test part, in another file format."""
    Image.open(picture(root, 1)).save(picture(root, 4), compress_level=0)
    return picture(root, 4)


def in_both_parts(root: Path) -> Path:
    content = json.loads(lists(root, "val").read_text())
    content["images"].append(image(2, "2.png"))
    lists(root, "val").write_text(json.dumps(content))
    return picture(root)


ERRORS: dict[str, tuple[str, Plant]] = {
    "missing picture": ("missing_image", missing),
    "truncated picture": ("image_unreadable", truncated),
    "other size": ("image_size", lambda root: _grown(root)),
    "16 bits": ("image_bits", resaved(lambda i: Image.fromarray(np.full(SIZE, 3000, np.uint16)))),
    "transparent": ("image_transparent", resaved(lambda i: _transparent(i))),
    "one colour": ("image_constant", resaved(lambda i: Image.new("RGB", i.size, (3, 3, 3)))),
    "box outside": ("box_outside", second(bbox=[9, 1, 3, 3])),
    "box of negative width": ("box_malformed", second(bbox=[5, 1, -3, 3])),
    "box of three numbers": ("annotation_unusable", second(bbox=[1, 1, 3])),
    "run lengths of another size": (
        "annotation_unusable",
        second(segmentation={"size": [4, 4], "counts": [8, 8]}),
    ),
    "odd polygon": ("annotation_unusable", second(segmentation=[[1, 2, 3]])),
    "annotation of no picture": ("annotation_of_nothing", second(image_id=77)),
    "annotation of no category": ("annotation_of_nothing", second(category_id=77)),
    "annotation twice": ("id_twice", twice("annotations")),
    "picture's id twice": ("id_twice", twice("images")),
    "unknown category": (
        "unknown_category",
        edited(lambda content: content["categories"].append({"id": 2, "name": "whale"})),
    ),
    "picture without size": ("image_entry", edited(lambda c: c["images"][1].pop("width"))),
    "no JSON": ("json_unreadable", no_json),
    "copy in the other part": ("duplicate_image", copied),
    "listed in both parts": ("image_in_two_parts", in_both_parts),
}

WARNINGS: dict[str, tuple[str, Plant]] = {
    "empty polygon": ("no_outline", second(segmentation=[[]])),
    "polygon of two points": ("no_outline", second(segmentation=[[1, 1, 4, 4]])),
    "polygon outside": ("no_outline", second(segmentation=[[20, 20, 24, 20, 24, 24]])),
    "box without area": ("box_empty", second(bbox=[1, 1, 0, 3])),
    "picture in no list": ("not_listed", lambda root: save_picture(picture(root, 5)).parent),
}


def _grown(root: Path) -> Path:
    save_picture(picture(root), (9, 12))
    return lists(root)


def _transparent(image_: Image.Image) -> Image.Image:
    image_.putalpha(100)
    return image_


def make_lesions(root: Path) -> Path:
    """BUSI's layout."""
    for number in (1, 2, 3):
        save_picture(root / f"malignant ({number}).png", seed=number)
        save_mask(lesion(root, number), block(1, 1, 3, 4))
    return root


def lesion(root: Path, number: int = 2) -> Path:
    return root / f"malignant ({number})_mask.png"


def _saved(path: Path, pixels: Any) -> Path:
    return save_mask(path, pixels)


def _unlinked(path: Path, told: Path) -> Path:
    path.unlink()
    return told


LESION_FAULTS: dict[str, tuple[str, Plant]] = {
    "no mask": ("missing_label", lambda root: _unlinked(lesion(root), _breast(root))),
    "no picture": ("missing_image", lambda root: _unlinked(_breast(root), lesion(root))),
    "mask of another size": ("mask_size", lambda root: _saved(lesion(root), np.ones((9, 9)))),
    "empty mask": ("mask_empty", lambda root: _saved(lesion(root), np.zeros(SIZE))),
    "no mask at all": ("mask_unreadable", lambda root: _text(lesion(root))),
    "no picture at all": ("image_unreadable", lambda root: _text(_breast(root))),
}


def _breast(root: Path, number: int = 2) -> Path:
    return root / f"malignant ({number}).png"


def _text(path: Path) -> Path:
    path.write_text("no picture")
    return path


CAN = 2


def make_debris(root: Path) -> Path:
    """SONAR's layout, with lists."""
    box = "<bndbox><x>1</x><y>1</y><w>4</w><h>3</h></bndbox>"
    for number in (1, 2, 3):
        save_picture(root / "Images" / f"s{number}.png", seed=number)
        save_mask(root / "Masks" / f"s{number}.png", block(1, 1, 4, 5, CAN))
        xml = root / "BoxAnnotations" / f"s{number}.xml"
        xml.parent.mkdir(exist_ok=True)
        xml.write_text(f"<annotation><object><name>Can</name>{box}</object></annotation>")
    for name, listed in (("train", "s1\ns2\n"), ("val", "s3\n")):
        path = root / "splits" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(listed)
    return root


def _replaced(path: Path, old: str, new: str) -> Path:
    path.write_text(path.read_text().replace(old, new))
    return path


DEBRIS_FAULTS: dict[str, tuple[str, Plant]] = {
    "no mask": (
        "missing_label",
        lambda root: _unlinked(root / "Masks" / "s2.png", root / "Images" / "s2.png"),
    ),
    "unknown number": (
        "mask_values",
        lambda root: _saved(
            root / "Masks" / "s2.png", block(1, 1, 4, 5, CAN) + block(5, 0, 6, 1, 99)
        ),
    ),
    "unknown class": (
        "annotation_unusable",
        lambda root: _replaced(root / "BoxAnnotations" / "s2.xml", "Can", "Whale"),
    ),
    "no XML": (
        "annotation_unusable",
        lambda root: _replaced(root / "BoxAnnotations" / "s2.xml", "</annotation>", ""),
    ),
    "listed but not there": (
        "missing_image",
        lambda root: _replaced(root / "splits" / "train.txt", "s1", "s1\ns9"),
    ),
    "listed twice": (
        "image_in_two_parts",
        lambda root: _replaced(root / "splits" / "val.txt", "s3", "s3\ns1"),
    ),
}


def copy_of_a_lesion(root: Path) -> Path:
    shutil.copy(_breast(root, 1), _breast(root))
    return _breast(root)
