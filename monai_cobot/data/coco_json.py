"""Instance files in COCO's JSON format, as cases.

Format: https://cocodataset.org/#format-data ("object detection"). Boxes there are x, y, width,
height; here they are half-open edges.
"""

from __future__ import annotations

import io
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from monai_cobot.data.coco_segmentation import checked_segmentation
from monai_cobot.data.datalist import read_json, sorted_cases
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
    ids = {key: _ids(content, key, path) for key in _LISTS}
    for annotation in content["annotations"]:
        for key, known in (("image_id", ids["images"]), ("category_id", ids["categories"])):
            if annotation.get(key) not in known:
                raise CobotError(
                    f"{path}: annotation {annotation['id']} has the {key} {annotation.get(key)!r}, "
                    "which the file does not list: mend or remove it"
                )
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
    if strangers:
        raise CobotError(
            f"{path} has the unknown categories {strangers}: "
            f"expected only {', '.join(classes)}; rename or remove them"
        )
    return {id_: known[_plain(category["name"])] for id_, category in coco.cats.items()}


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
        cases with ``case``, ``patient`` (the same), ``image`` and ``instances``.

    Raises:
        CobotError: an image without name or size, or that is not on disk; two of one name; a box
            or outline that is none.
    """
    images = list(coco.imgs.values())
    for image in images:
        sides = [image.get("height"), image.get("width")]
        if not isinstance(image.get("file_name"), str) or not all(
            isinstance(side, int) and side > 0 for side in sides
        ):
            raise CobotError(
                f"{path}: image {image['id']} needs a file_name, a height and a width: add them"
            )
    absent = [image["file_name"] for image in images if not (folder / image["file_name"]).is_file()]
    if absent:
        raise CobotError(
            f"{path} names {len(absent)} of {len(images)} images that are not in {folder}, the "
            f"first is {absent[0]}: complete the folder, or take them out of a copy of the JSON"
        )
    cases, maskless = [], []
    for image in images:
        size = (image["height"], image["width"])
        instances = [
            _instance(annotation, names, size, f"{path}: annotation {annotation['id']}")
            for annotation in coco.imgToAnns.get(image["id"], ())
        ]
        maskless += [i["instance"] for i in instances if "segmentation" not in i]
        name = Path(image["file_name"]).stem
        cases.append(
            {
                "case": name,
                "patient": name,
                "image": str(folder / image["file_name"]),
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


def _ids(content: Mapping[str, Any], key: str, path: str | Path) -> set[int]:
    entries = content.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CobotError(
            f"{path} has no list {key!r}: COCO's instance files have {', '.join(_LISTS)}"
        )
    for entry in entries:
        if not isinstance(entry.get("id"), int):
            raise CobotError(
                f"{path}: an entry of {key!r} has no whole number as id: {entry!r:.200}"
            )
    counts = Counter(entry["id"] for entry in entries)
    if len(counts) != len(entries):
        twice = next(id_ for id_, count in counts.items() if count > 1)
        raise CobotError(f"{path}: id {twice} is there twice in {key!r}: give each its own")
    return set(counts)


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
