"""Cases that are pictures, checked before training starts: every file is opened once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_cobot.data.image_files import mask_pixels, opened
from monai_cobot.data.problems import Problem
from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.errors import CobotError


def check_image_case(case: Case, spec: DatasetSpec) -> None:
    """Check one picture and its instances; CobotError tells the first of `image_problems`."""
    for problem in image_problems(case, spec):
        raise CobotError(problem.message)


def image_problems(case: Case, spec: DatasetSpec) -> Iterator[Problem]:
    """Check one picture and its instances; gives all that is wrong, each with file and remedy.

    Checked: readable to the end, 8 bits, opaque; instances of known classes, each number once;
    boxes of four numbers that reach into the picture; outlines, mask files and index masks of the
    picture's size, mask files not empty, index masks within the class table. A picture that cannot
    be used ends the list.
    """
    try:
        size, pictures = _picture_problems(case["image"])
    except CobotError as error:
        yield Problem("image_unreadable", str(error), case["image"])
        return
    yield from pictures
    read = cache(mask_pixels)  # one index mask serves all instances of its picture
    seen = set()
    told: set[Problem] = set()
    for instance in case.get("instances", ()):
        if instance["instance"] in seen:
            place = f"{case['image']}: instance {instance['instance']}"
            message = f"{place} is there twice: give each a number of its own"
            yield Problem("instance_twice", message, annotation_file(case))
        seen.add(instance["instance"])
        yield from _instance_problems(case, instance, size, spec)
        masks = [p for p in _mask_problems(instance, size, read, spec) if p not in told]
        told.update(masks)
        yield from masks


def annotation_file(case: Case) -> str:
    """The file that says what is in a picture, where the reader tells it; else the picture."""
    return str(case.get("annotations", case["image"]))


def _instance_problems(
    case: Case, instance: Mapping[str, Any], size: tuple[int, int], spec: DatasetSpec
) -> Iterator[Problem]:
    path = annotation_file(case)
    place = f"{case['image']}: instance {instance['instance']}"
    if instance["organ"] not in spec.labels:
        message = f"{place} is a {instance['organ']!r}: expected one of {', '.join(spec.names)}"
        yield Problem("class_unknown", message, path)
    if "box" in instance:
        yield from _box_problems(instance["box"], size, place, path)
    if "size" in instance and tuple(instance["size"]) != size:
        message = (
            f"{place} was outlined on a picture of {tuple(instance['size'])} rows and columns, "
            f"this one has {size}: use the picture that was annotated"
        )
        yield Problem("image_size", message, path)


def _picture_problems(path: str) -> tuple[tuple[int, int], list[Problem]]:
    """Rows and columns (H, W) of a picture, and what makes it unusable; CobotError as `opened`."""
    problems = []
    with opened(path) as image:
        size = (image.height, image.width)
        if image.mode.startswith(("I", "F")):
            message = (
                f"{path} has more than 8 bits a channel (mode {image.mode}): scale it to 0..255 "
                "and save it with 8 bits"
            )
            problems.append(Problem("image_bits", message, path))
        image.draft(None, (1, 1))  # JPEG alone: a small decoding still reads the file to its end
        image.load()
        if image.has_transparency_data:
            alpha = image.convert("RGBA").getchannel("A")
            if alpha.getextrema()[0] != 255:
                message = (
                    f"{path} has pixels that one can see through: flatten it onto a background"
                )
                problems.append(Problem("image_transparent", message, path))
    return size, problems


def _box_problems(box: Any, size: tuple[int, int], place: str, path: str) -> Iterator[Problem]:
    edges = np.asarray(box, dtype=np.float64)
    if edges.shape != (4,) or not np.isfinite(edges).all() or (edges[2:] < edges[:2]).any():
        message = f"{place} has the box {box}: give x0, y0, x1, y1, ascending"
        yield Problem("box_malformed", message, path)
        return
    height, width = size
    if (edges[2:] <= 0).any() or edges[0] >= width or edges[1] >= height:
        message = (
            f"{place} has the box {box} outside of its picture of {size} rows and columns: "
            "mend or remove it"
        )
        yield Problem("box_outside", message, path)


def _mask_problems(
    instance: Mapping[str, Any], size: tuple[int, int], read: Any, spec: DatasetSpec
) -> Iterator[Problem]:
    files = list(instance.get("mask_files", ()))
    masks: list[NDArray[Any]] = []
    for path in [*files, *([instance["index_mask"]] if "index_mask" in instance else [])]:
        try:
            pixels = read(path)
        except CobotError as error:
            yield Problem("mask_unreadable", str(error), path)
            return
        if pixels.shape != size:
            message = (
                f"{path} has {pixels.shape} rows and columns, its picture {size}: "
                "export the mask on the picture's grid"
            )
            yield Problem("mask_size", message, path)
            return
        masks.append(pixels)
    if files and not any(mask.any() for mask in masks[: len(files)]):
        message = f"{' and '.join(files)} is empty: mend it or remove the picture"
        yield Problem("mask_empty", message, files[0])
    if "index_mask" in instance:
        outside = set(np.unique(masks[-1]).tolist()) - {0, *spec.labels.values()}
        if outside:
            message = (
                f"{instance['index_mask']} has numbers {sorted(outside)} outside the class table "
                f"{spec.labels}: renumber or remove them"
            )
            yield Problem("mask_values", message, instance["index_mask"])
