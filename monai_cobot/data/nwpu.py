"""NWPU: VHR-10, very high resolution remote sensing, the positive images, 10 classes.

Files: ``annotations/NWPU_instances_train.json`` and ``NWPU_instances_val.json`` (outlines, in
COCO's format) with the pictures in ``imgs`` or, as the
archive has them, in ``positive image set``. The archive's own truth, ``ground truth/NNN.txt``, has
boxes only: beside the JSON they replace its boxes where they match, and without it nothing can be
trained. A picture is its own group. The lists are those of the outlines' makers: as in the paper,
30 % are drawn for the test.

Source: Cheng et al., ISPRS J. 98 (2014) 119; the outlines are of
https://github.com/chaozhong2010/VHR-10_dataset_coco.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_cobot.data.coco_folders import CocoFolders, CocoList
from monai_cobot.data.datalist import dataset_folder
from monai_cobot.data.image_files import pictures, plain_images
from monai_cobot.data.problems import aside
from monai_cobot.data.spec import Case, DatasetSpec, Organ
from monai_cobot.data.text_boxes import TextBox, match_boxes, read_text_boxes
from monai_cobot.errors import CobotError

_log = logging.getLogger(__name__)

CLASSES = (
    *("airplane", "ship", "storage_tank", "baseball_diamond", "tennis_court", "basketball_court"),
    *("ground_track_field", "harbor", "bridge", "vehicle"),
)
POSITIVE, TRUTH = "positive image set", "ground truth"
_INSIDE = ("NWPU VHR-10 dataset",)


@dataclass(frozen=True)
class NwpuFolders:
    """Finds outlines of JSON files and boxes of text files; see the module."""

    lists: CocoFolders

    def find_cases(self, directory: str | Path) -> list[Case]:
        """All pictures of the lists; without lists the positive images, which have boxes only.

        Raises:
            CobotError: neither layout; a picture without text file or the other way round; what
                the files do wrong.
        """
        root = self.lists.find_root(directory)
        if root is not None:
            return _with_text_boxes(self.lists.find_cases(root), root / TRUTH)
        root = _archive(directory)
        if root is None:
            raise CobotError(
                f"{directory} is no dataset of a known layout: expected {self.lists.expected}, "
                f"or {POSITIVE}/NNN.jpg with {TRUTH}/NNN.txt"
            )
        _log.warning(
            "%s has boxes but no masks: for training, add annotations/NWPU_instances_train.json",
            root,
        )
        return _boxes_only(root)

    def find_images(self, directory: str | Path) -> list[Case]:
        """Pictures for inference: those of a layout, or of a plain folder.

        Raises:
            CobotError: no picture; or as ``find_cases``.
        """
        if self.lists.find_root(directory) is not None or _archive(directory) is not None:
            return self.find_cases(directory)
        return plain_images(dataset_folder(directory), self.lists.expected)


def _archive(directory: str | Path) -> Path | None:
    """The folder of the archive: ``directory`` or one inside; None without any."""
    top = dataset_folder(directory)
    for root in (top, *(top / name for name in _INSIDE)):
        if (root / POSITIVE).is_dir() and (root / TRUTH).is_dir():
            return root
    return None


def _boxes_only(root: Path) -> list[Case]:
    images = pictures(root / POSITIVE)
    texts = {path.stem: path for path in sorted((root / TRUTH).glob("*.txt"))}
    for name in sorted(images.keys() ^ texts.keys()):
        lacks = "label" if name in images else "image"
        with aside(f"missing_{lacks}", images.get(name) or texts[name], name):
            raise CobotError(
                f"{root}: {name} is in only one of {POSITIVE} and {TRUTH}: restore or remove it"
            )
    cases: list[Case] = []
    for name in sorted(images.keys() & texts.keys()):
        with aside("annotation_unusable", texts[name], name):
            instances = [
                {"instance": number, "organ": CLASSES[each.label - 1], "box": each.box}
                for number, each in enumerate(read_text_boxes(texts[name], len(CLASSES)), start=1)
            ]
            case = {"case": name, "patient": name, "image": str(images[name])}
            cases.append({**case, "annotations": str(texts[name]), "instances": instances})
    return cases


def _with_text_boxes(cases: list[Case], folder: Path) -> list[Case]:
    """The cases with the boxes of the text files beside their masks, where they match."""
    if not folder.is_dir():
        return cases
    taken = boxes = instances = 0
    for case in cases:
        path = folder / f"{case['case']}.txt"
        found: list[TextBox] = []
        with aside("annotation_unusable", path, case["case"]):
            found = read_text_boxes(path, len(CLASSES)) if path.is_file() else []
        boxes, instances = boxes + len(found), instances + len(case["instances"])
        taken += _take_boxes(case["instances"], found)
    level = logging.INFO if taken == boxes == instances else logging.WARNING
    _log.log(
        level,
        "%s: %d boxes taken; %d instances keep the JSON's box, %d text boxes match none",
        folder,
        taken,
        instances - taken,
        boxes - taken,
    )
    return cases


def _take_boxes(instances: list[dict[str, Any]], found: list[TextBox]) -> int:
    boxed = [instance for instance in instances if "box" in instance]
    pairs = match_boxes(
        [instance["box"] for instance in boxed],
        [CLASSES.index(instance["organ"]) + 1 for instance in boxed],
        [each.box for each in found],
        [each.label for each in found],
    )
    for i, j in pairs:
        boxed[i]["box"] = found[j].box
    return len(pairs)


NWPU = DatasetSpec(
    code="NWPU",
    title="NWPU VHR-10, instances",
    modality="RGB",
    window=(0.0, 255.0),
    organs=tuple(Organ(label, name) for label, name in enumerate(CLASSES, start=1)),
    reader=NwpuFolders(
        CocoFolders(
            lists=(
                CocoList("annotations/NWPU_instances_train.json", ("imgs", POSITIVE), "training"),
                CocoList("annotations/NWPU_instances_val.json", ("imgs", POSITIVE), "test"),
            ),
            classes=CLASSES,
            inside=_INSIDE,
        )
    ),
    test_share=0.3,
)
