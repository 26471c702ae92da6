"""One slice of a DICOM series: where it lies, and how its stored values become HU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from monai_cobot.errors import CobotError

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Plane:
    """A slice; positions and directions are in DICOM's patient frame (LPS), lengths in mm.

    Attributes:
        file: the file that holds it.
        frame: its place among the file's frames, from 0.
        shape: rows and columns.
        position: (3,), centre of the pixel in the first row and column.
        directions: (6,), unit vectors: in which direction the columns are counted, then the rows.
        spacing: between the centres of two rows, then of two columns.
        slope: value = stored value * slope + intercept (HU for CT).
        intercept: see slope.
    """

    file: Path
    frame: int
    shape: tuple[int, int]
    position: Vector
    directions: Vector
    spacing: Vector
    slope: float
    intercept: float


def planes_of(header: Dataset, file: Path) -> list[Plane]:
    """The slices of a DICOM file: one, or the frames of an enhanced multi-frame file.

    Args:
        header: of the file; its pixels are not needed.
        file: where it lies.

    Raises:
        CobotError: colour, a table instead of a slope, or no place in space.
    """
    if int(header.get("SamplesPerPixel", 1)) != 1:
        raise CobotError(f"{file} is a colour picture, no slice of a volume: take it out")
    if "ModalityLUTSequence" in header:
        raise CobotError(
            f"{file} maps its values by a table (ModalityLUTSequence), which is not read: convert "
            "the series to NIfTI"
        )
    if "PerFrameFunctionalGroupsSequence" not in header:
        if int(header.get("NumberOfFrames", None) or 1) > 1:
            raise CobotError(
                f"{file} holds {header.NumberOfFrames} frames without their places in space "
                "(PerFrameFunctionalGroupsSequence): convert it to NIfTI"
            )
        return [_plane(header, file, 0, [header])]
    shared = header.get("SharedFunctionalGroupsSequence", [])
    return [
        _plane(
            header, file, number, [*_contents(group), *(c for s in shared for c in _contents(s))]
        )
        for number, group in enumerate(header.PerFrameFunctionalGroupsSequence)
    ]


def _contents(group: Dataset) -> list[Dataset]:
    """The macros of a functional group: the first item of each of its sequences."""
    return [element.value[0] for element in group if element.VR == "SQ" and len(element.value)]


def _plane(header: Dataset, file: Path, frame: int, places: list[Dataset]) -> Plane:
    """The slice whose attributes stand in the first of these places that has them."""

    def vector(name: str, length: int) -> Vector:
        value = next((p[name].value for p in places if name in p), None)
        numbers = () if value is None else tuple(float(v) for v in np.atleast_1d(value))
        if len(numbers) != length or not np.isfinite(numbers).all():
            raise CobotError(
                f"{file} has no usable {name} ({value}), so it is no slice of a volume: take it "
                "out, or choose another series"
            )
        return numbers

    def number(name: str, default: float) -> float:
        value = next((p[name].value for p in places if name in p), None)
        return default if value is None else float(value)

    return Plane(
        file,
        frame,
        (int(header.Rows), int(header.Columns)),
        vector("ImagePositionPatient", 3),
        vector("ImageOrientationPatient", 6),
        vector("PixelSpacing", 2),
        number("RescaleSlope", 1.0),
        number("RescaleIntercept", 0.0),
    )
