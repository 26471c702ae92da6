"""The DICOM series of a folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.misc import is_dicom
from pydicom.uid import UID

from monai_cobot.dicom.plane import Plane, planes_of
from monai_cobot.errors import CobotError

ENDING = ".dcm"
NEEDED = (
    "SOPClassUID", "SeriesInstanceUID", "SeriesDescription", "Modality", "SamplesPerPixel",
    "NumberOfFrames", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip


@dataclass
class Series:
    """The files of a folder that belong to one series.

    Attributes:
        uid: SeriesInstanceUID.
        modality: ``CT``, ``MR``, …
        description: of the scanner or the radiographer; may be empty.
        folder: where the files lie.
        headers: file to header, without pixels.
    """

    uid: str
    modality: str
    description: str
    folder: Path
    headers: dict[Path, Dataset] = field(default_factory=dict)

    def planes(self) -> list[Plane]:
        """Its slices in no order that counts; raises what :func:`planes_of` raises."""
        found: list[Plane] = []
        for file, header in self.headers.items():
            try:
                found += planes_of(header, file)
            except CobotError:
                raise
            except (AttributeError, TypeError, OverflowError, ValueError) as error:
                raise _unreadable(file, error) from error
        return found

    def __str__(self) -> str:
        """One line for a list to choose from."""
        frames = sum(int(h.get("NumberOfFrames", None) or 1) for h in self.headers.values())
        description = self.description or "no description"
        return f"{self.uid}  {self.modality or '?'}, {frames} images, {description}"


def holds_dicom(folder: str | Path) -> bool:
    """Whether a folder holds a file that is DICOM or is called ``.dcm``, besides ``DICOMDIR``."""
    files = (file for file in _files(Path(folder)) if file.name != "DICOMDIR")
    return any(file.suffix.lower() == ENDING or _is_dicom(file) for file in files)


def find_series(folder: str | Path) -> list[Series]:
    """The image series of a folder (its subfolders are not read), the longest first.

    Files that are no DICOM, and DICOM objects without an image (``DICOMDIR``, reports), are left
    out; a file called ``.dcm`` has to be DICOM.

    Raises:
        CobotError: a DICOM file, or the folder, that cannot be read.
    """
    series: dict[str, Series] = {}
    for file in _files(Path(folder)):
        header = _read_header(file)
        if header is None:
            continue
        uid, modality, description = (
            str(header.get(name, "") or "")
            for name in ("SeriesInstanceUID", "Modality", "SeriesDescription")
        )
        series.setdefault(uid, Series(uid, modality, description, Path(folder)))
        series[uid].headers[file] = header
    return sorted(series.values(), key=lambda s: (-len(s.headers), s.uid))


def choose_series(folder: str | Path, uid: str | None = None) -> Series:
    """The one series of a folder, or that of the given SeriesInstanceUID.

    Raises:
        CobotError: none, or several without a choice; the message lists them.
    """
    found = find_series(folder)
    if not found:
        raise CobotError(f"{folder} holds no DICOM image: give the folder of the series' files")
    listed = "\n  ".join(str(series) for series in found)
    if uid is None and len(found) > 1:
        raise CobotError(
            f"{folder} holds {len(found)} series: choose one with --series UID, or move each to a "
            f"folder of its own\n  {listed}"
        )
    chosen = next((series for series in found if uid in (None, series.uid)), None)
    if chosen is None:
        raise CobotError(f"{folder} has no series {uid}: it holds\n  {listed}")
    return chosen


def _files(folder: Path) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise CobotError(f"{folder} cannot be read ({error}): check the path and rights") from error
    for path in paths:
        if path.is_file() and not path.name.startswith("."):
            yield path


def _is_dicom(file: Path) -> bool:
    try:
        return is_dicom(file)
    except OSError:
        return False


def _read_header(file: Path) -> Dataset | None:
    """Header of a DICOM image; None for what is none. The oldest DICOM files have no marker."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values that break a rule and can be read
            header = pydicom.dcmread(
                file,
                stop_before_pixels=True,
                force=file.suffix.lower() == ENDING,
                specific_tags=list(NEEDED),
            )
    except InvalidDicomError:
        return None
    except Exception as error:  # pydicom raises what the bytes lead it to
        raise _unreadable(file, error) from error
    if "Rows" in header:
        return header
    kind = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID")
    if not kind or "Image Storage" in UID(kind).name:
        raise _unreadable(file, "its header ends before the image's size")
    return None


def _unreadable(file: Path, error: Exception | str) -> CobotError:
    return CobotError(
        f"{file} is not readable as DICOM, it may be truncated ({error}): copy it again"
    )
