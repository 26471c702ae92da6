"""SONAR: marine debris in forward-looking sonar, the watertank pictures, 11 classes.

Files: ``Images``, ``Masks`` (numbers 0 to 11), ``BoxAnnotations`` (XML, a box an object) and
``splits/train.txt``, ``val.txt``, ``test.txt``. Without ``test.txt`` the validation list is the
test; without lists there is no published part. A picture is its own group.

An object is the pixels of its class within its box. Where the XML names another class than the
mask has in that box, the mask decides: in the distributed files some cans are called Wall.

Source: Valdenegro-Toro, github.com/mvaldenegro/marine-debris-fls-datasets.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_cobot.data.datalist import dataset_folder
from monai_cobot.data.image_files import mask_pixels, pictures, plain_images
from monai_cobot.data.problems import aside
from monai_cobot.data.spec import Case, DatasetSpec, Organ
from monai_cobot.data.split_lists import published_parts
from monai_cobot.data.voc_xml import VocObject, read_voc
from monai_cobot.errors import CobotError

_log = logging.getLogger(__name__)

CLASSES = (
    *("Bottle", "Can", "Chain", "Drink-carton", "Hook", "Propeller", "Shampoo-bottle"),
    *("Standing-bottle", "Tire", "Valve", "Wall"),
)
IMAGES, MASKS, BOXES, LISTS = "Images", "Masks", "BoxAnnotations", "splits"
_EXPECTED = f"{IMAGES}/<name>.png with {MASKS}/<name>.png, {BOXES}/<name>.xml and {LISTS}/*.txt"


@dataclass(frozen=True)
class SonarFolders:
    """Finds pictures, index masks and boxes; see the module."""

    def find_cases(self, directory: str | Path) -> list[Case]:
        """Pictures of the lists (without lists: all), sorted by name.

        An object whose box has no pixel of its class stays without a mask; the log counts these,
        and the objects that the mask calls otherwise. A picture without XML has an instance for
        each class in its mask, without a box.

        Raises:
            CobotError: no layout; a listed picture that is not there or in two lists; a picture
                without mask; an unknown class; a broken file.
        """
        root = dataset_folder(directory)
        if not _has_layout(root):
            raise CobotError(f"{root} is no dataset of a known layout: expected {_EXPECTED}")
        images, masks = pictures(root / IMAGES), pictures(root / MASKS)
        parts = published_parts(root / LISTS, images)
        cases: list[Case] = []
        counts = {"renamed": 0, "maskless": 0}
        for name in sorted(parts or images):
            with aside("missing_label", images[name], name):
                if name not in masks:
                    raise CobotError(
                        f"{images[name]} has no mask in {root / MASKS}: add it or remove the "
                        "picture"
                    )
            case = {"case": name, "patient": name, "image": str(images[name])}
            part = {"part": parts[name]} if parts else {}
            boxes = root / BOXES / f"{name}.xml"
            if boxes.is_file():
                case["annotations"] = str(boxes)
            with aside("annotation_unusable", boxes, name):
                if name in masks:
                    instances = _instances(masks[name], boxes if boxes.is_file() else None, counts)
                    cases.append({**case, **part, "instances": instances})
        if any(counts.values()):
            _log.warning(
                "%s: %d objects are called otherwise by their mask, which is followed; %d have no "
                "pixel of their class in their box and are no targets",
                root,
                counts["renamed"],
                counts["maskless"],
            )
        return cases

    def find_images(self, directory: str | Path) -> list[Case]:
        """Pictures for inference: those of the layout, or of a plain folder.

        Raises:
            CobotError: no picture; or as ``find_cases``.
        """
        root = dataset_folder(directory)
        return self.find_cases(root) if _has_layout(root) else plain_images(root, _EXPECTED)


def _has_layout(root: Path) -> bool:
    return (root / IMAGES).is_dir() and (root / MASKS).is_dir()


def _instances(mask: Path, boxes: Path | None, counts: dict[str, int]) -> list[dict[str, Any]]:
    pixels = mask_pixels(mask)
    if boxes is None:
        present = [int(value) for value in np.unique(pixels) if 0 < value <= len(CLASSES)]
        return [
            {
                "instance": number,
                "organ": CLASSES[value - 1],
                "index_mask": str(mask),
                "value": value,
            }
            for number, value in enumerate(present, start=1)
        ]
    instances = []
    for number, each in enumerate(read_voc(boxes).objects, start=1):
        with aside("annotation_unusable", boxes, mask.stem):
            named = _label(each, boxes)
            instance = {"instance": number} | _object(each, named, pixels, mask)
            counts["renamed"] += instance["organ"] != CLASSES[named - 1]
            counts["maskless"] += "index_mask" not in instance
            instances.append(instance)
    return instances


def _object(each: VocObject, named: int, pixels: NDArray[Any], mask: Path) -> dict[str, Any]:
    """Box, class and mask of an object that the XML calls ``named``."""
    if each.box is None:
        region, value, box = pixels, named, {}
    else:
        region = _within(pixels, each.box)
        value, box = _class_of(region, named), {"box": each.box}
    found = {"index_mask": str(mask), "value": value} if (region == value).any() else {}
    return {**box, "organ": CLASSES[value - 1], **found}


def _label(each: VocObject, path: Path) -> int:
    known = {name.lower(): label for label, name in enumerate(CLASSES, start=1)}
    label = known.get(each.name.lower().replace("_", "-"))
    if label is None:
        raise CobotError(f"{path} has an object {each.name!r}: expected {', '.join(CLASSES)}")
    return label


def _within(pixels: NDArray[Any], box: Sequence[float]) -> NDArray[Any]:
    """Pixels whose centre is in the box."""
    x0, y0, x1, y1 = (max(math.ceil(edge - 0.5), 0) for edge in box)
    return pixels[y0:y1, x0:x1]


def _class_of(region: NDArray[Any], named: int) -> int:
    """The class that the box was drawn around: the named one, unless exactly one other fits."""
    if _fills(region == named):
        return named
    fitting = [v for v in range(1, len(CLASSES) + 1) if v != named and _fills(region == v)]
    return fitting[0] if len(fitting) == 1 else named


def _fills(inside: NDArray[np.bool_]) -> bool:
    """Whether a class reaches all four sides of the box."""
    sides = (inside[:1], inside[-1:], inside[:, :1], inside[:, -1:])
    return all(side.any() for side in sides)


SONAR = DatasetSpec(
    code="SONAR",
    title="Marine debris, forward-looking sonar, watertank",
    modality="SONAR",
    window=(0.0, 255.0),
    organs=tuple(Organ(label, name) for label, name in enumerate(CLASSES, start=1)),
    reader=SonarFolders(),
)
