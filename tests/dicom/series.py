"""DICOM files for tests, written tag by tag from a volume's geometry in DICOM's own frame (LPS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DSfloat

SPACING = (1.3, 0.7, 4.1)  # mm between rows, columns, slices
ORIGIN = (-83.5, 41.25, -512.125)
#: Digits of positions and directions in the files, as scanners write them, give this error at most.
WRITTEN = 1e-5


def turned(x: float = 11.0, y: float = -7.0, z: float = 17.0) -> NDArray[np.float64]:
    """Rotation about the three axes by degrees; columns: across, down and normal of the slices."""
    matrix = np.eye(3)
    for axis, degrees in enumerate((x, y, z)):
        a, b = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn[a, a], turn[b, b], turn[a, b], turn[b, a] = cos, cos, -sin, sin
        matrix = turn @ matrix
    if np.linalg.det(matrix) < 0:
        raise ValueError("a rotation keeps handedness")
    return matrix


@dataclass
class Scan:
    """A volume of stored values (slices, rows, columns), slices along the normal.

    Slice k lies at ``origin + k * spacing[2] * normal`` (LPS, mm).
    """

    stored: NDArray[Any]
    frame: NDArray[np.float64] = field(default_factory=turned)
    spacing: tuple[float, float, float] = SPACING
    origin: tuple[float, float, float] = ORIGIN
    slope: float = 0.5
    intercept: float = -1024.0
    uid: str = field(default_factory=generate_uid)
    modality: str = "CT"
    description: str = "ABDOMEN"

    def position(self, k: int) -> NDArray[np.float64]:
        return np.asarray(self.origin) + k * self.spacing[2] * self.frame[:, 2]

    def header(self, k: int) -> FileDataset:
        """Slice k as a file of its own."""
        data = self._header(CTImageStorage)
        data.ImagePositionPatient = _decimals(self.position(k))
        data.ImageOrientationPatient = _decimals(self.frame[:, :2].T.ravel())
        data.PixelSpacing = _decimals(self.spacing[:2])
        data.RescaleSlope, data.RescaleIntercept = _decimals((self.slope, self.intercept))
        data.PixelData = np.ascontiguousarray(self.stored[k]).tobytes()
        return data

    def enhanced(self, order: Sequence[int]) -> FileDataset:
        """One multi-frame file with the slices in this order."""
        data = self._header(EnhancedCTImageStorage)
        data.NumberOfFrames = len(order)
        shared = Dataset()
        shared.PlaneOrientationSequence = _item(
            ImageOrientationPatient=_decimals(self.frame[:, :2].T.ravel())
        )
        shared.PixelMeasuresSequence = _item(PixelSpacing=_decimals(self.spacing[:2]))
        data.SharedFunctionalGroupsSequence = Items([shared])
        groups = []
        for k in order:
            group = Dataset()
            group.PlanePositionSequence = _item(ImagePositionPatient=_decimals(self.position(k)))
            group.PixelValueTransformationSequence = _item(
                RescaleSlope=DSfloat(self.slope), RescaleIntercept=DSfloat(self.intercept)
            )
            groups.append(group)
        data.PerFrameFunctionalGroupsSequence = Items(groups)
        data.PixelData = np.ascontiguousarray(self.stored[list(order)]).tobytes()
        return data

    def write(self, folder: Path, seed: int = 0, ending: str = "") -> list[Path]:
        """Files in a shuffled order of names, InstanceNumber from the head down. Given by slice."""
        folder.mkdir(parents=True, exist_ok=True)
        names = np.random.default_rng(seed).permutation(len(self.stored))
        files = []
        for k, name in enumerate(names):
            data = self.header(k)
            data.InstanceNumber = len(self.stored) - k
            files.append(folder / f"IM{name:05d}{ending}")
            data.save_as(files[-1], enforce_file_format=True)
        return files

    def _header(self, kind: str) -> FileDataset:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = kind
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
        data.SeriesInstanceUID, data.StudyInstanceUID = self.uid, self.uid
        data.Modality, data.SeriesDescription = self.modality, self.description
        data.PatientName, data.SliceThickness = "Doe^Jane", "9.9"
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.Rows, data.Columns = self.stored.shape[1:]
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, int(self.stored.dtype.kind == "i")
        return data


def random_scan(shape: tuple[int, int, int] = (6, 8, 9), **parts: Any) -> Scan:
    """Values of every kind, negative ones too."""
    stored = np.random.default_rng(1).integers(-2000, 4000, shape).astype(np.int16)
    return Scan(stored, **parts)


def _decimals(values: Any) -> list[DSfloat]:
    return [DSfloat(round(float(value), 8)) for value in values]


def _item(**values: Any) -> Items:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return Items([item])
