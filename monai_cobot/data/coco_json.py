"""Instance files in COCO's JSON format, as cases.

Format: https://cocodataset.org/#format-data ("object detection"). Boxes there are x, y, width,
height; here they are half-open edges.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from monai_cobot.data.coco_segmentation import checked_segmentation
from monai_cobot.data.datalist import read_json, sorted_cases
from monai_cobot.data.problems import aside
from monai_cobot.data.spec import Case
from monai_cobot.errors import CobotError

_log = logging.getLogger(__name__)
_LISTS = ("images", "annotations", "categories")


def read_coco(path: str | Path) -> COCO:
    """Read an instances file and index it.

    Raises:
        CobotError: no JSON; a list missing; an id missing or there twice; an annotation of an
            unknown image or category.
    """
    content = read_json(path)
    entries = {key: _entries(content, key, path) for key in _LISTS}
    known = {
        "image_id": {entry["id"] for entry in entries["images"]},
        "category_id": {entry["id"] for entry in entries["categories"]},
    }
    content |= {**entries, "annotations": []}
    for annotation in entries["annotations"]:
        with aside("annotation_of_nothing", path):
            _check_references(annotation, known, path)
            content["annotations"].append(annotation)
    coco = COCO()
    coco.dataset = content
    with redirect_stdout(io.StringIO()):  # it prints its progress
        coco.createIndex()
    return coco


def category_names(coco: COCO, path: str | Path, classes: Sequence[str]) -> dict[int, str]:
    """Our name of each category of a file; spaces, underscores and capitals do not matter.

    Raises:
        CobotError: a category that is none of ``classes``.
    """
    known = {_plain(name): name for name in classes}
    strangers = [c.get("name") for c in coco.cats.values() if _plain(c.get("name")) not in known]
    with aside("unknown_category", path):
        if strangers:
            raise CobotError(
                f"{path} has the unknown categories {strangers}: "
                f"expected only {', '.join(classes)}; rename or remove them"
            )
    return {
        id_: known[_plain(category.get("name"))]
        for id_, category in coco.cats.items()
        if _plain(category.get("name")) in known
    }


def read_image_list(
    path: str | Path, classes: Sequence[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Image ids and category ids of an instances or image-info file; ``annotations`` may lack.

    Returns:
        file name without folder -> image id; our name of a class -> category id, of the categories
        that are among ``classes``.

    Raises:
        CobotError: no JSON; a list missing; an id missing or there twice; an image without name,
            or two of one name.
    """
    content = read_json(path)
    images: dict[str, int] = {}
    for image in _entries(content, "images", path):
        name = Path(str(image.get("file_name") or "")).name
        if not name or name in images:
            raise CobotError(
                f"{path}: image {image['id']} has the file_name {image.get('file_name')!r}: give "
                "each image a name of its own"
            )
        images[name] = image["id"]
    known = {_plain(name): name for name in classes}
    categories = {
        known[_plain(category.get("name"))]: category["id"]
        for category in _entries(content, "categories", path)
        if _plain(category.get("name")) in known
    }
    return images, categories


def coco_cases(coco: COCO, path: str | Path, folder: Path, names: Mapping[int, str]) -> list[Case]:
    """A case an image of the file, sorted by name (the file name without folder and ending).

    An instance without a usable outline (no polygon of three points that touches the picture)
    stays in the list without a mask; the log counts them.

    Args:
        coco: what ``read_coco`` gives.
        path: its file, for messages.
        folder: where the images are.
        names: class of each category id.

    Returns:
        cases with ``case``, ``patient`` (the same), ``image``, ``annotations``, ``instances``;
        ``image_id``, that of the file, and ``categories``, its category id of each class (one
        dictionary for all). An instance has the file's ``area`` where it gives one.

    Raises:
        CobotError: an image without name or size, or that is not on disk; two of one name; a box
            or outline that is none.
    """
    cases: list[Case] = []
    maskless: list[int] = []
    categories = {name: id_ for id_, name in names.items()}
    for image in _images(coco, path, folder):
        name = Path(image["file_name"]).stem
        size = (image["height"], image["width"])
        instances: list[dict[str, Any]] = []
        for annotation in coco.imgToAnns.get(image["id"], ()):
            if annotation["category_id"] in names:
                where = f"{path}: annotation {annotation['id']}"
                with aside("annotation_unusable", path, name):
                    instances.append(_instance(annotation, names, size, where))
        maskless += [i["instance"] for i in instances if "segmentation" not in i]
        cases.append(
            {
                "case": name,
                "patient": name,
                "image": str(folder / image["file_name"]),
                "annotations": str(path),
                "image_id": image["id"],
                "categories": categories,
                "instances": instances,
            }
        )
    if maskless:
        _log.warning(
            "%s: %d annotations have no usable outline and are no targets, the first is %s",
            path,
            len(maskless),
            maskless[0],
        )
    return sorted_cases(cases, path)


def _check_references(
    annotation: Mapping[str, Any], known: Mapping[str, set[int]], path: str | Path
) -> None:
    for key, ids in known.items():
        if annotation.get(key) not in ids:
            raise CobotError(
                f"{path}: annotation {annotation['id']} has the {key} {annotation.get(key)!r}, "
                "which the file does not list: mend or remove it"
            )


def _images(coco: COCO, path: str | Path, folder: Path) -> list[dict[str, Any]]:
    """The images of the file that have a name and a size and are on disk."""
    images: list[dict[str, Any]] = []
    for image in coco.imgs.values():
        with aside("image_entry", path):
            sides = [image.get("height"), image.get("width")]
            if not isinstance(image.get("file_name"), str) or not all(
                isinstance(side, int) and side > 0 for side in sides
            ):
                raise CobotError(
                    f"{path}: image {image['id']} needs a file_name, a height and a width: add them"
                )
            images.append(image)
    absent = [i["id"] for i in images if not (folder / i["file_name"]).is_file()]
    for id_ in absent:
        image = coco.imgs[id_]
        file = folder / image["file_name"]
        with aside("missing_image", file, file.stem):
            raise CobotError(
                f"{path} names {image['file_name']}, which is not in {folder} ({len(absent)} of "
                f"{len(images)} images are not): complete the folder, or take them out of a copy "
                "of the JSON"
            )
    left_out = set(absent)
    return [image for image in images if image["id"] not in left_out]


def _entries(content: Mapping[str, Any], key: str, path: str | Path) -> list[dict[str, Any]]:
    """A list of the file, each entry with an id of its own."""
    entries = content.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CobotError(
            f"{path} has no list {key!r}: COCO's instance files have {', '.join(_LISTS)}"
        )
    result: dict[int, dict[str, Any]] = {}
    for entry in entries:
        with aside("id_twice", path):
            id_ = entry.get("id")
            if not isinstance(id_, int):
                raise CobotError(
                    f"{path}: an entry of {key!r} has no whole number as id: {entry!r:.200}"
                )
            if id_ in result:
                raise CobotError(f"{path}: id {id_} is there twice in {key!r}: give each its own")
            result[id_] = entry
    return list(result.values())


def _plain(name: object) -> str:
    return str(name).strip().lower().replace("_", " ")


def _instance(
    annotation: Mapping[str, Any], names: Mapping[int, str], size: tuple[int, int], where: str
) -> dict[str, Any]:
    instance: dict[str, Any] = {
        "instance": annotation["id"],
        "organ": names[annotation["category_id"]],
    }
    if annotation.get("bbox"):
        instance["box"] = _edges(annotation["bbox"], where)
    if annotation.get("iscrowd"):
        instance["crowd"] = True
    if isinstance(annotation.get("area"), int | float):
        instance["area"] = annotation["area"]
    outline = checked_segmentation(annotation.get("segmentation"), size, where)
    if outline is not None:
        instance |= {"segmentation": outline, "size": list(size)}
    return instance


def _edges(box: object, where: str) -> list[float]:
    try:
        x, y, width, height = (float(value) for value in box)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise CobotError(f"{where} has the bbox {box!r}: give x, y, width, height") from None
    return [x, y, x + width, y + height]
