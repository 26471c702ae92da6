"""Cases that are pictures, checked before training starts: every file is opened once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_cobot.data.image_files import mask_pixels, opened
from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.errors import CobotError


def check_image_case(case: Case, spec: DatasetSpec) -> None:
    """Check one picture and its instances.

    Checked: readable to the end, 8 bits, opaque; instances of known classes, each number once;
    boxes of four numbers that reach into the picture; outlines, mask files and index masks of the
    picture's size, mask files not empty, index masks within the class table.

    Raises:
        CobotError: the first problem, with its file and remedy.
    """
    size = _checked_picture(case["image"])
    read = cache(mask_pixels)  # one index mask serves all instances of its picture
    seen = set()
    for instance in case.get("instances", ()):
        place = f"{case['image']}: instance {instance['instance']}"
        if instance["instance"] in seen:
            raise CobotError(f"{place} is there twice: give each a number of its own")
        seen.add(instance["instance"])
        if instance["organ"] not in spec.labels:
            raise CobotError(
                f"{place} is a {instance['organ']!r}: expected one of {', '.join(spec.names)}"
            )
        if "box" in instance:
            _check_box(instance["box"], size, place)
        if "size" in instance and tuple(instance["size"]) != size:
            raise CobotError(
                f"{place} was outlined on a picture of {tuple(instance['size'])} rows and columns, "
                f"this one has {size}: use the picture that was annotated"
            )
        _check_masks(instance, size, read, spec)


def _checked_picture(path: str) -> tuple[int, int]:
    """Rows and columns (H, W) of a picture that is usable."""
    with opened(path) as image:
        size = (image.height, image.width)
        if image.mode.startswith(("I", "F")):
            raise CobotError(
                f"{path} has more than 8 bits a channel (mode {image.mode}): scale it to 0..255 "
                "and save it with 8 bits"
            )
        image.draft(None, (1, 1))  # JPEG alone: a small decoding still reads the file to its end
        image.load()
        if image.has_transparency_data:
            alpha = image.convert("RGBA").getchannel("A")
            if alpha.getextrema()[0] != 255:
                raise CobotError(
                    f"{path} has pixels that one can see through: flatten it onto a background"
                )
    return size


def _check_box(box: Any, size: tuple[int, int], place: str) -> None:
    edges = np.asarray(box, dtype=np.float64)
    if edges.shape != (4,) or not np.isfinite(edges).all() or (edges[2:] < edges[:2]).any():
        raise CobotError(f"{place} has the box {box}: give x0, y0, x1, y1, ascending")
    height, width = size
    if (edges[2:] <= 0).any() or edges[0] >= width or edges[1] >= height:
        raise CobotError(
            f"{place} has the box {box} outside of its picture of {size} rows and columns: "
            "mend or remove it"
        )


def _check_masks(
    instance: Mapping[str, Any], size: tuple[int, int], read: Any, spec: DatasetSpec
) -> None:
    files = list(instance.get("mask_files", ()))
    masks = [_sized(read(path), path, size) for path in files]
    if files and not any(mask.any() for mask in masks):
        raise CobotError(f"{' and '.join(files)} is empty: mend it or remove the picture")
    if "index_mask" in instance:
        path = instance["index_mask"]
        outside = set(np.unique(_sized(read(path), path, size)).tolist())
        outside -= {0, *spec.labels.values()}
        if outside:
            raise CobotError(
                f"{path} has numbers {sorted(outside)} outside the class table {spec.labels}: "
                "renumber or remove them"
            )


def _sized(pixels: NDArray[Any], path: str, size: tuple[int, int]) -> NDArray[Any]:
    if pixels.shape != size:
        raise CobotError(
            f"{path} has {pixels.shape} rows and columns, its picture {size}: "
            "export the mask on the picture's grid"
        )
    return pixels
