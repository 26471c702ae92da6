"""Which files of a folder are a series, and which series is meant."""

from __future__ import annotations

import re
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    generate_uid,
)

from monai_cobot.dicom import choose_series, find_series, holds_dicom
from monai_cobot.errors import CobotError
from tests.dicom.series import random_scan


def write_object(path: Path, kind: str) -> None:
    """A DICOM file without an image."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = kind
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SOPClassUID, data.SOPInstanceUID = kind, data.file_meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID = generate_uid()
    data.save_as(path, enforce_file_format=True)


def test_other_files_are_left_out(tmp_path: Path) -> None:
    files = random_scan().write(tmp_path)
    write_object(tmp_path / "DICOMDIR", MediaStorageDirectoryStorage)
    write_object(tmp_path / "report.dcm", BasicTextSRStorage)
    (tmp_path / "readme.txt").write_text("about this scan")
    (tmp_path / "._IM00001").write_bytes(files[0].read_bytes()[:200])
    (tmp_path / "thumbnails").mkdir()
    assert set(choose_series(tmp_path).headers) == set(files)


def test_several_series_are_listed_and_chosen(tmp_path: Path) -> None:
    first = random_scan(description="PORTAL")
    second = random_scan((2, 8, 9), description="", modality="MR")
    first.write(tmp_path, ending=".a")
    second.write(tmp_path, ending=".b")
    message = (
        f"holds 2 series: choose one with --series UID.*{re.escape(first.uid)}  CT, 6 images, "
        f"PORTAL.*{re.escape(second.uid)}  MR, 2 images, no description"
    )
    with pytest.raises(CobotError, match=f"(?s){message}"):
        choose_series(tmp_path)
    assert len(choose_series(tmp_path, second.uid).planes()) == 2
    with pytest.raises(CobotError, match=f"(?s)has no series 1.2.3: it holds.*{second.uid}"):
        choose_series(tmp_path, "1.2.3")


def test_a_file_without_the_marker_is_read_where_its_name_says_dicom(tmp_path: Path) -> None:
    files = random_scan().write(tmp_path, ending=".DCM")
    content = files[0].read_bytes()
    files[0].write_bytes(content[132:])
    assert len(choose_series(tmp_path).planes()) == 6


@pytest.mark.parametrize("length", [0, 20, 300, 700])
def test_a_truncated_file_is_named_and_not_left_out(tmp_path: Path, length: int) -> None:
    files = random_scan().write(tmp_path, ending=".dcm")
    files[-1].write_bytes(files[-1].read_bytes()[:length])
    with pytest.raises(CobotError, match=rf"{files[-1].name} is not readable as DICOM.*copy it"):
        find_series(tmp_path)


def test_a_text_called_dcm_is_named(tmp_path: Path) -> None:
    random_scan().write(tmp_path)
    (tmp_path / "x.dcm").write_text("no image at all, but a long enough text to be read " * 20)
    with pytest.raises(CobotError, match=r"x\.dcm is not readable as DICOM"):
        find_series(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ImagePositionPatient", None, "has no usable ImagePositionPatient"),
        ("ImageOrientationPatient", [1, 0, 0], "has no usable ImageOrientationPatient"),
        ("PixelSpacing", None, "has no usable PixelSpacing"),
        ("SamplesPerPixel", 3, "is a colour picture"),
        ("NumberOfFrames", 7, "holds 7 frames without their places"),
    ],
)
def test_slices_of_no_volume_are_named(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    files = random_scan().write(tmp_path)
    data = pydicom.dcmread(files[1])
    if value is None:
        del data[name]
    else:
        setattr(data, name, value)
    data.save_as(files[1])
    with pytest.raises(CobotError, match=f"{files[1].name} {message}"):
        choose_series(tmp_path).planes()


def test_unreadable_numbers_are_named(tmp_path: Path) -> None:
    files = random_scan().write(tmp_path)
    content = files[0].read_bytes()
    assert b"-1024" in content
    files[0].write_bytes(content.replace(b"-1024", b"-1O24"))
    with pytest.raises(CobotError, match=f"{files[0].name} is not readable as DICOM"):
        choose_series(tmp_path).planes()


def test_folders_without_dicom(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert not holds_dicom(tmp_path)
    with pytest.raises(CobotError, match="holds no DICOM image: give the folder"):
        choose_series(tmp_path)
    write_object(tmp_path / "DICOMDIR", MediaStorageDirectoryStorage)
    assert not holds_dicom(tmp_path)
    (tmp_path / "IM1.dcm").write_text("")
    assert holds_dicom(tmp_path)
