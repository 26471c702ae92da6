"""SSDD: ships in SAR images, with outlines.

Files, in COCO's format: ``annotations/SSDD_instances_train.json`` and ``SSDD_instances_val.json``
with ``imgs``, or the official release's ``annotations/train.json`` and ``test.json`` with
``images/train`` and ``images/test``. In VOC's: the official release's ``JPEGImages_train`` with
``Annotations_train``, and ``_test``; or ``JPEGImages`` with ``Annotations`` (then no published
part). The release's folders ``BBox_RBox_PSeg_SSDD`` and ``PSeg_SSDD`` (with ``coco_style`` or
``voc_style`` in them) are found from above; COCO's format goes first. A picture is its own group.

Source: Zhang et al., Remote Sensing 13 (2021) 3690, github.com/TianwenZhang0825/Official-SSDD.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_cobot.data.coco_folders import CocoFolders, CocoList
from monai_cobot.data.coco_segmentation import checked_segmentation
from monai_cobot.data.datalist import dataset_folder, sorted_cases
from monai_cobot.data.image_files import image_size, pictures, plain_images
from monai_cobot.data.problems import aside
from monai_cobot.data.spec import Case, DatasetSpec, Organ
from monai_cobot.data.voc_xml import VocObject, read_voc
from monai_cobot.errors import CobotError

SHIP = Organ(1, "ship")
_RELEASES = ("BBox_RBox_PSeg_SSDD", "PSeg_SSDD")
_TOPS = ("", "Official-SSDD-OPEN/")


def _inside(style: str) -> tuple[str, ...]:
    return (style, *(f"{top}{release}/{style}" for top in _TOPS for release in _RELEASES))


_VOC = (("_train", "training"), ("_test", "test"))


@dataclass(frozen=True)
class SsddFolders:
    """Finds the files in COCO's format, of the first style that is there, or in VOC's."""

    styles: tuple[CocoFolders, ...]

    def find_cases(self, directory: str | Path) -> list[Case]:
        """All pictures, sorted by name; an instance without outline stays without a mask.

        Raises:
            CobotError: no layout; a picture without XML or the other way round; a picture in two
                parts; an object that is no ship; what the files do wrong.
        """
        for style in self.styles:
            if style.find_root(directory) is not None:
                return style.find_cases(directory)
        root = _voc_root(directory)
        if root is None:
            raise CobotError(
                f"{directory} is no dataset of a known layout: expected {self.expected}"
            )
        return sorted_cases(_voc_cases(root), root)

    def find_images(self, directory: str | Path) -> list[Case]:
        """Pictures for inference: those of a layout, or of a plain folder.

        Raises:
            CobotError: no picture; or as ``find_cases``.
        """
        if _voc_root(directory) or any(style.find_root(directory) for style in self.styles):
            return self.find_cases(directory)
        return plain_images(dataset_folder(directory), self.expected)

    @property
    def expected(self) -> str:
        """The layouts in words, for messages."""
        voc = "JPEGImages_train with Annotations_train, or JPEGImages with Annotations"
        return ", or ".join([*(style.expected for style in self.styles), voc])


def _voc_root(directory: str | Path) -> Path | None:
    top = dataset_folder(directory)
    for root in (top, *(top / name for name in _inside("voc_style"))):
        for suffix in ("_train", "_test", ""):
            if (root / f"JPEGImages{suffix}").is_dir() and (root / f"Annotations{suffix}").is_dir():
                return root
    return None


def _voc_cases(root: Path) -> Iterator[Case]:
    """Cases of the parts; of the undivided folders where there are no parts."""
    parts = [each for each in _VOC if (root / f"JPEGImages{each[0]}").is_dir()]
    for suffix, part in parts or [("", "")]:
        images = pictures(root / f"JPEGImages{suffix}")
        folder = root / f"Annotations{suffix}"
        files = {path.stem: path for path in sorted(folder.glob("*.xml"))}
        for name in sorted(images.keys() ^ files.keys()):
            lacks = "label" if name in images else "image"
            with aside(f"missing_{lacks}", images.get(name) or files[name], name):
                raise CobotError(
                    f"{root}: {name} is in only one of JPEGImages{suffix} and {folder.name}: "
                    "restore or remove it"
                )
        for name in sorted(images.keys() & files.keys()):
            case: Case = {"case": name, "patient": name, "image": str(images[name])}
            case["annotations"] = str(files[name])
            ships: list[dict[str, Any]] = []
            with aside("annotation_unusable", files[name], name):
                ships = _ships(files[name], images[name])
            yield case | ({"part": part} if part else {}) | {"instances": ships}


def _ships(path: Path, image: Path) -> list[dict[str, Any]]:
    content = read_voc(path)
    size = content.size or image_size(image)
    instances = []
    for number, each in enumerate(content.objects, start=1):
        with aside("annotation_unusable", path, image.stem):
            instances.append(_ship(number, each, size, path))
    return instances


def _ship(number: int, each: VocObject, size: tuple[int, int], path: Path) -> dict[str, Any]:
    if each.name.lower() != SHIP.name:
        raise CobotError(f"{path} has an object {each.name!r}: expected {SHIP.name} only")
    instance: dict[str, Any] = {"instance": number, "organ": SHIP.name}
    if each.box is not None:
        instance["box"] = each.box
    outline = checked_segmentation(each.polygons, size, f"{path}: object {number}")
    if outline is not None:
        instance |= {"segmentation": outline, "size": list(size)}
    return instance


SSDD = DatasetSpec(
    code="SSDD",
    title="SAR ship detection, outlines",
    modality="SAR",
    window=(0.0, 255.0),
    organs=(SHIP,),
    reader=SsddFolders(
        tuple(
            CocoFolders(
                lists=(
                    CocoList(f"annotations/{train}.json", (train_images,), "training"),
                    CocoList(f"annotations/{test}.json", (test_images,), "test"),
                ),
                classes=(SHIP.name,),
                inside=_inside("coco_style"),
            )
            for train, train_images, test, test_images in (
                ("SSDD_instances_train", "imgs", "SSDD_instances_val", "imgs"),
                ("train", "images/train", "test", "images/test"),
            )
        )
    ),
)
