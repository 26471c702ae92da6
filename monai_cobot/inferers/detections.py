"""Boxes of a detector, from a file in COCO's results format."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from monai_cobot.errors import CobotError
from monai_cobot.transforms import CocoIds, SlicePrompts, Start

LOGGER = logging.getLogger(__name__)
Item = Mapping[str, Any]
EXPECTED = '{"image_id": 7, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}'


@dataclass(frozen=True)
class Detection:
    """One detection: class label, box XYXY in pixel edges (slice frame), score, and its place."""

    label: int
    box: tuple[float, float, float, float]
    score: float
    place: str


class DetectedBoxes:
    """The boxes that a detector gives for pictures, with its scores.

    The file is a JSON list of entries with ``image_id``, ``category_id``, ``bbox`` (x, y, width,
    height in pixels) and ``score``; other keys, such as masks, are not read.

    Args:
        path: the JSON file.
        labels: name to label value of the classes.
        ids: what the file's image and category ids are.
        min_score: detections below it are left out.

    Raises:
        CobotError: an entry that is none, of an unknown picture or category; with its index.
    """

    name = "boxes of a detector"

    def __init__(
        self, path: str | Path, labels: Mapping[str, int], ids: CocoIds, min_score: float = 0.0
    ) -> None:
        self.path = Path(path).expanduser()
        if isinstance(min_score, bool) or not isinstance(min_score, int | float):
            raise CobotError(f"min_score={min_score!r}: give a number, such as 0.5")
        entries = json.loads(self.path.read_text(encoding="utf-8"))
        case_of, classes = ids.case_finder(), ids.classes
        self.detections: dict[str, list[Detection]] = {}
        below = 0
        for index, entry in enumerate(entries):
            place = f"{self.path}: detection {index}"
            box, score = _numbers(entry, place)
            if score < min_score:
                below += 1
                continue
            case = case_of(entry["image_id"])
            name = classes.get(entry["category_id"])
            if case is None:
                raise CobotError(
                    f"{place} has the image_id {entry['image_id']!r}, which is none of the "
                    f"pictures here ({ids.source}): name its pictures by image_list, the JSON with "
                    "their ids"
                )
            if name is None:
                raise CobotError(
                    f"{place} has the category_id {entry['category_id']!r}, which is none of "
                    f"{_listed(ids.categories)} ({ids.source}): give image_list, the JSON with "
                    "its categories, or leave the detection out"
                )
            self.detections.setdefault(case, []).append(Detection(labels[name], box, score, place))
        if below:
            LOGGER.info("%s: %d detections are below min_score %g", self.path, below, min_score)

    def check(self, cases: Sequence[Item]) -> None:
        """Holds the boxes against the pictures; the log tells how many have none.

        Raises:
            CobotError: a box that is empty, or has nothing of its picture.
        """
        for case in cases:
            if str(case["case"]) in self.detections:
                with Image.open(case["image"]) as picture:
                    width, height = picture.size
                self._clipped(str(case["case"]), (height, width))
        without = sum(str(case["case"]) not in self.detections for case in cases)
        if without:
            LOGGER.warning("%s: %d pictures have no detection: left empty", self.path, without)

    def __call__(self, item: Item) -> SlicePrompts:
        """Boxes of one picture, clipped to it, as of a slice 0; none where it has no detection."""
        case = str(item["case"])
        found = self.detections.get(case, ())
        if not found:
            return {}
        boxes = self._clipped(case, (item["image"].shape[-2], item["image"].shape[-1]))
        labels = torch.tensor([detection.label for detection in found])
        return {0: (torch.tensor(boxes, dtype=torch.float32), labels)}

    def scores(self, case: str) -> list[float]:
        """Scores of one picture's detections, in the order of its boxes."""
        return [detection.score for detection in self.detections.get(case, ())]

    def starts(self, item: Item) -> list[Start]:
        """Nothing is carried on: a picture has one slice."""
        return []

    def _clipped(self, case: str, size: tuple[int, int]) -> list[list[float]]:
        clipped = []
        for detection in self.detections[case]:
            x0, y0, x1, y1 = detection.box
            box = [max(x0, 0.0), max(y0, 0.0), min(x1, float(size[1])), min(y1, float(size[0]))]
            if not (box[0] < box[2] and box[1] < box[3]):
                raise CobotError(
                    f"{detection.place}: its box {list(detection.box)} (x0, y0, x1, y1) is empty "
                    f"or outside of {case}, which has {size[1]} x {size[0]} pixels: leave it out"
                )
            clipped.append(box)
        return clipped


def holds_detections(path: str | Path) -> bool:
    """Whether a file has the form of COCO's results: a JSON list, where others are an object.

    A file that cannot be read is none; who reads it as what it is else says what is wrong.
    """
    try:
        return isinstance(json.loads(Path(path).expanduser().read_text(encoding="utf-8")), list)
    except (OSError, ValueError):
        return False


def _numbers(entry: object, place: str) -> tuple[tuple[float, float, float, float], float]:
    """Box XYXY and score of an entry."""
    if (
        not isinstance(entry, Mapping)
        or not {"bbox", "score"} <= set(entry)
        or not isinstance(entry.get("image_id"), int | str)
        or not isinstance(entry.get("category_id"), int)
    ):
        raise CobotError(f"{place} is {entry!r:.120}: give {EXPECTED}")
    try:
        x, y, width, height = (float(value) for value in entry["bbox"])
        score = float(entry["score"])
        if not all(map(math.isfinite, (x, y, width, height, score))):
            raise ValueError
    except (TypeError, ValueError):
        raise CobotError(
            f"{place} has the bbox {entry['bbox']!r:.80} and the score {entry['score']!r:.20}: "
            f"give numbers, as in {EXPECTED}"
        ) from None
    return (x, y, x + width, y + height), score


def _listed(categories: Mapping[str, int], most: int = 5) -> str:
    named = [f"{id_} {name}" for name, id_ in categories.items()]
    return ", ".join(named[:most]) + (" …" if len(named) > most else "")
