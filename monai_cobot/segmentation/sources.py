"""What is to be segmented: NIfTI files and DICOM series, a case each."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from monai_cobot.data.datalist import NIFTI_ENDINGS
from monai_cobot.data.spec import DatasetSpec
from monai_cobot.dicom import Series, choose_series, holds_dicom, series_to_nifti
from monai_cobot.errors import CobotError

LOGGER = logging.getLogger(__name__)

Item = dict[str, Any]


class Source(Protocol):
    """One case, and where it comes from."""

    @property
    def case(self) -> str:
        """Its name, of which the result's file name is made."""

    @property
    def path(self) -> Path:
        """The file or folder that the user knows."""

    def planned(self) -> Item:
        """The item before any file is made of it; its image may not exist."""

    def item(self, folder: Path) -> Item:
        """The item of a datalist (``case``, ``patient``, ``image``, perhaps ``label``).

        Args:
            folder: for a NIfTI file made of it, where it is none.
        """


@dataclass(frozen=True)
class NiftiSource:
    """A NIfTI file, as the dataset's reader found it."""

    found: Item

    @property
    def case(self) -> str:
        """File name without ending and channel."""
        return str(self.found["case"])

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.found["image"])

    def planned(self) -> Item:
        """The item as it was found."""
        return self.found

    def item(self, folder: Path) -> Item:
        """The item as it was found."""
        return self.found


@dataclass(frozen=True)
class DicomSource:
    """A folder with a DICOM series.

    Attributes:
        path: the folder.
        modality: of the bundle; a series of another one is refused.
        series: which one, where it is chosen already; else the folder has to hold one alone.
    """

    path: Path
    modality: str
    series: Series | None = None

    @property
    def case(self) -> str:
        """Name of the folder."""
        return self.path.name

    def choose(self, uid: str | None = None) -> Series:
        """The series; CobotError where there is not one alone, or it is of another modality."""
        series = choose_series(self.path, uid)
        if series.modality != self.modality:
            raise CobotError(
                f"{self.path}: series {series} is no {self.modality}, for which this bundle is: "
                "choose another series or another bundle"
            )
        return series

    def planned(self) -> Item:
        """The item with the folder as its image."""
        return {"case": self.case, "patient": self.case, "image": str(self.path)}

    def item(self, folder: Path) -> Item:
        """Writes the series as NIfTI to ``folder``; CobotError where it makes no volume."""
        series = self.series or self.choose()
        image = series_to_nifti(series, folder / f"{self.case}.nii")
        return {**self.planned(), "image": str(image)}


def find_sources(
    path: str | Path, spec: DatasetSpec, series: str | None = None, truth: bool = True
) -> list[Source]:
    """The cases of a NIfTI file, or of a folder.

    A folder is, in this order: a DICOM series, one of NIfTI files (or a layout of the dataset), or
    one of folders with a DICOM series each.

    Args:
        path: the file or folder.
        spec: the bundle's dataset.
        series: SeriesInstanceUID, where the folder holds several series.
        truth: whether labels that lie beside NIfTI images are taken.

    Raises:
        CobotError: no such path, nothing in it, NIfTI and DICOM mixed, or a ``series`` where there
            is nothing to choose. A folder that is one DICOM series is looked into.
    """
    root = Path(os.path.abspath(Path(path).expanduser()))  # a link keeps its own name
    if not root.exists():
        raise CobotError(f"{root} does not exist: check INPUT")
    if root.is_dir() and holds_dicom(root):
        return [_series_source(root, spec, series)]
    if series is not None:
        raise CobotError(
            f"--series is for a folder of DICOM files, and {root} is none: leave it out"
        )
    found = _single(root, spec) if root.is_file() else _nifti_items(root, spec)
    if found:
        left_out = () if truth else ("label",)
        return [
            NiftiSource({key: value for key, value in item.items() if key not in left_out})
            for item in found
        ]
    return list(_series_folders(root, spec))


def _series_source(folder: Path, spec: DatasetSpec, series: str | None) -> DicomSource:
    if _named_nifti(folder):
        raise CobotError(
            f"{folder} holds both NIfTI and DICOM files: give the NIfTI file, or move one kind to "
            "a folder of its own"
        )
    source = DicomSource(folder, spec.modality)
    return replace(source, series=source.choose(series))


def _nifti_items(folder: Path, spec: DatasetSpec) -> list[Item]:
    """Images that the dataset's reader finds; none where folders with DICOM files lie here."""
    try:
        return spec.find_images(folder)
    except CobotError as error:
        if not _named_nifti(folder) and any(map(holds_dicom, _folders(folder))):
            return []
        raise CobotError(
            f"{error}. DICOM: give the folder of a series' files, or a folder of such folders"
        ) from error


def _series_folders(root: Path, spec: DatasetSpec) -> Iterator[DicomSource]:
    others = []
    for folder in _folders(root):
        if holds_dicom(folder):
            yield DicomSource(folder, spec.modality)
        else:
            others.append(folder.name)
    if others:
        LOGGER.warning("no DICOM files in %s of %s: left out", ", ".join(others), root)


def _single(file: Path, spec: DatasetSpec) -> list[Item]:
    if not file.name.endswith(NIFTI_ENDINGS) or file.name.startswith("."):
        raise CobotError(
            f"{file} is no NIfTI file ({', '.join(NIFTI_ENDINGS)}): convert it, or give the folder "
            "that holds a DICOM series"
        )
    beside = spec.find_images(file.parent)
    return [item for item in beside if Path(item["image"]).name == file.name]


def _named_nifti(folder: Path) -> bool:
    return any(file.name.endswith(NIFTI_ENDINGS) for file in folder.iterdir())


def _folders(root: Path) -> list[Path]:
    return [path for path in sorted(root.iterdir()) if path.is_dir() and path.name[0] != "."]
