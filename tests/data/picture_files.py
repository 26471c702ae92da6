"""Small pictures, masks and annotation files for the tests of the readers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (6, 8)
"""Rows and columns of every picture here, unless told otherwise."""

TRIANGLE = [1.0, 1.0, 5.0, 1.0, 5.0, 4.0]


def save_picture(path: Path, size: tuple[int, int] = SIZE, seed: int = 0) -> Path:
    """A colour picture of random pixels (PNG or JPEG by the ending)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def save_mask(path: Path, pixels: Any) -> Path:
    """A mask of these numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)
    return path


def block(y0: int, x0: int, y1: int, x1: int, value: int = 255) -> Any:
    """Pixels (SIZE) of a rectangle, half open."""
    pixels = np.zeros(SIZE, np.uint8)
    pixels[y0:y1, x0:x1] = value
    return pixels


def image(id_: int, file_name: str, size: tuple[int, int] = SIZE) -> dict[str, Any]:
    """An image of a COCO file."""
    return {"id": id_, "file_name": file_name, "height": size[0], "width": size[1]}


def annotation(id_: int, image_id: int, category_id: int = 1, **more: Any) -> dict[str, Any]:
    """An annotation of a COCO file: a triangle, unless ``more`` says otherwise."""
    return {
        "id": id_,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [1, 1, 4, 3],
        "iscrowd": 0,
        "segmentation": [TRIANGLE],
        **more,
    }


def write_coco(
    path: Path,
    images: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
) -> Path:
    """An instances file; categories are numbered from 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))
    return path


def published(path: Path) -> Any:
    """What a JSON file holds, read without the package."""
    return json.loads(path.read_text())
