"""Pictures of bright boxes and discs in the layouts of the instance datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_cobot.data import datasets

SIZE = (48, 64)  # rows, columns
TRAINING, TEST = 4, 2
LAYOUTS = {  # JSON and its folder of pictures, training and test
    "COCO": (
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_val2017.json", "val2017"),
    ),
    "TRCAN": (
        ("instances_train_trashcan.json", "train"),
        ("instances_val_trashcan.json", "val"),
    ),
    "NWPU": (
        ("annotations/NWPU_instances_train.json", "imgs"),
        ("annotations/NWPU_instances_val.json", "imgs"),
    ),
    "SSDD": (
        ("annotations/SSDD_instances_train.json", "imgs"),
        ("annotations/SSDD_instances_val.json", "imgs"),
    ),
}


def small_pictures(code: str, folder: Path) -> Path:
    """A folder with four pictures for training and two for the test; three objects each."""
    if code == "SONAR":
        return _sonar(folder)
    names = datasets.get(code).names
    categories = [{"id": number + 10, "name": name} for number, name in enumerate(names)]
    first = 0
    for (file, images), count in zip(LAYOUTS[code], (TRAINING, TEST), strict=True):
        content: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}
        for number in range(first, first + count):
            entry = {"id": number, "file_name": f"{number:06d}.png"}
            content["images"].append({**entry, "height": SIZE[0], "width": SIZE[1]})
            pixels, boxes = _picture(number)
            _save(pixels, folder / images / entry["file_name"])
            for place, box in enumerate(boxes):
                content["annotations"].append(_annotation(10 * number + place, number, box, names))
            if code == "COCO":  # a crowd over a part of it all: no target
                crowd = _annotation(10 * number + 9, number, (0, 0, 30, 20), names)
                content["annotations"].append({**crowd, **_crowd(), "iscrowd": 1})
        first += count
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(json.dumps(content))
    return folder


def _picture(number: int) -> tuple[NDArray[np.uint8], list[tuple[int, int, int, int]]]:
    """Noise with three bright rectangles that do not touch, x0, y0, x1, y1."""
    generator = np.random.default_rng(number)
    pixels = generator.integers(0, 60, (*SIZE, 3)).astype(np.uint8)
    boxes = []
    for place in range(3):
        x0, y0 = 2 + 20 * place + int(generator.integers(4)), int(generator.integers(2, 20))
        width, height = (int(side) for side in generator.integers(6, 14, 2))
        boxes.append((x0, y0, x0 + width, y0 + height))
        pixels[y0 : y0 + height, x0 : x0 + width] += 120
    return pixels, boxes


def _annotation(
    id_: int, image: int, box: tuple[int, int, int, int], names: tuple[str, ...]
) -> dict[str, Any]:
    x0, y0, x1, y1 = box
    return {
        "id": id_,
        "image_id": image,
        "category_id": 10 + id_ % min(3, len(names)),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
        "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
        "iscrowd": 0,
    }


def _crowd() -> dict[str, Any]:
    """The left upper 30 x 20 pixels, as run lengths: columns from the top."""
    counts = [0]
    for _ in range(30):
        counts += [20, SIZE[0] - 20]
    counts[-1] += SIZE[0] * (SIZE[1] - 30)
    return {"segmentation": {"size": list(SIZE), "counts": counts}}


def _sonar(folder: Path) -> Path:
    names = datasets.get("SONAR").names
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for number in range(TRAINING + TEST):
        pixels, boxes = _picture(number)
        name = f"marine-debris-aris3k-{number}"
        lists["train" if number < TRAINING else "test"].append(f"{name}.png")
        _save(pixels[..., 0], folder / "Images" / f"{name}.png")
        mask = np.zeros(SIZE, np.uint8)
        objects = []
        for label, (x0, y0, x1, y1) in enumerate(boxes, start=1):
            mask[y0:y1, x0:x1] = label
            corners = f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
            objects.append(
                f"<object><name>{names[label - 1]}</name><bndbox>{corners}</bndbox></object>"
            )
        _save(mask, folder / "Masks" / f"{name}.png")
        xml = folder / "BoxAnnotations" / f"{name}.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        xml.write_text(f"<annotation>{''.join(objects)}</annotation>")
    (folder / "splits").mkdir()
    for part, members in lists.items():
        (folder / "splits" / f"{part}.txt").write_text("\n".join(members) + "\n")
    return folder


def _save(pixels: NDArray[np.uint8], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)
