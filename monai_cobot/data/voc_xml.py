"""Annotation files in the XML of PASCAL VOC and its relatives.

Accepted of an ``object``: ``bndbox`` with ``xmin ymin xmax ymax`` (VOC, SSDD) or ``x y w h``
(SONAR); outlines as ``segm`` or ``polygon`` with ``point`` elements, "x,y" each (SSDD).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from monai_cobot.errors import CobotError


@dataclass(frozen=True)
class VocObject:
    """One object, in pixels of the slice frame.

    Attributes:
        name: its class.
        box: [x0, y0, x1, y1]; the numbers of the file are taken as half-open edges. None without.
        polygons: its outlines [x0, y0, x1, y1, …].
    """

    name: str
    box: list[float] | None
    polygons: list[list[float]]


@dataclass(frozen=True)
class VocFile:
    """A file: (H, W) where it has a size, and its objects in their order."""

    size: tuple[int, int] | None
    objects: list[VocObject]


def read_voc(path: str | Path) -> VocFile:
    """Read an annotation file.

    Raises:
        CobotError: missing, no XML, an object without name, a number that is none.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise CobotError(f"{path} does not exist: check the path") from None
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise CobotError(f"{path} is not readable as XML ({error}): copy it again") from None
    size = root.find("size")
    shape = None
    if size is not None:
        height, width = (_number(size.findtext(side), path) for side in ("height", "width"))
        shape = (int(height), int(width))
    return VocFile(shape, [_object(element, path) for element in root.iter("object")])


def _object(element: ElementTree.Element, path: str | Path) -> VocObject:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise CobotError(f"{path} has an object without a name: name its class or remove it")
    outlines = [*element.findall("segm"), *element.findall("polygon")]
    polygons = [
        [value for point in outline.iter("point") for value in _point(point.text, path)]
        for outline in outlines
    ]
    return VocObject(name, _box(element.find("bndbox"), path), polygons)


def _box(element: ElementTree.Element | None, path: str | Path) -> list[float] | None:
    if element is None:
        return None
    if element.find("w") is not None:
        x, y, width, height = (_number(element.findtext(key), path) for key in "xywh")
        return [x, y, x + width, y + height]
    return [_number(element.findtext(key), path) for key in ("xmin", "ymin", "xmax", "ymax")]


def _point(text: str | None, path: str | Path) -> list[float]:
    numbers = (text or "").split(",")
    if len(numbers) != 2:
        raise CobotError(f"{path} has the point {text!r}: write it as 'x,y'")
    return [_number(number, path) for number in numbers]


def _number(text: str | None, path: str | Path) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise CobotError(f"{path} has {text!r} where a number belongs: mend it") from None
