"""A series read as a volume: values and places, against ITK and against the tags of each file."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import RLELossless

from monai_cobot.dicom import choose_series, read_volume, series_to_nifti
from monai_cobot.errors import CobotError
from tests.dicom.series import WRITTEN, Scan, random_scan, turned

# ITK takes the distance of slices from the first two alone; over these few it is the same.
ITK_PLACES = 1e-4
# A NIfTI file keeps its affine as float32: 512 mm to 6e-5.
FLOAT32 = 1e-4

FRAMES = {
    "oblique": turned(),
    "axial": np.eye(3),
    "head first, prone": np.diag([-1.0, -1.0, 1.0]),
    "from the head down": np.diag([1.0, -1.0, -1.0]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_every_voxel_lies_where_its_file_says(tmp_path: Path, frame: np.ndarray) -> None:
    """Position, directions and spacing of each file alone say where its pixels are."""
    files = random_scan(frame=frame).write(tmp_path / "series")
    volume, affine = read_volume(choose_series(tmp_path / "series"))
    for k, file in enumerate(files):
        tags = pydicom.dcmread(file)
        across, down = np.reshape(tags.ImageOrientationPatient, (2, 3)).astype(float)
        row_spacing, column_spacing = map(float, tags.PixelSpacing)
        for row, column in ((0, 0), (0, tags.Columns - 1), (tags.Rows - 1, 3)):
            place = np.array(tags.ImagePositionPatient, float)
            place += across * column_spacing * column + down * row_spacing * row
            x, y, z = (affine @ [column, row, k, 1])[:3]
            np.testing.assert_allclose((-x, -y, z), place, rtol=0, atol=WRITTEN)
            assert volume[column, row, k] == tags.pixel_array[row, column] * 0.5 - 1024


@pytest.mark.parametrize("ending", ["", ".dcm"])
def test_itk_reads_the_same(tmp_path: Path, ending: str) -> None:
    random_scan().write(tmp_path / "series", ending=ending)
    (tmp_path / "series" / "notes.txt").write_text("not an image")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "series")))
    itk = reader.Execute()
    volume, affine = read_volume(choose_series(tmp_path / "series"))
    np.testing.assert_array_equal(volume, sitk.GetArrayFromImage(itk).T)
    for index in ((0, 0, 0), (8, 0, 0), (0, 7, 5), (8, 7, 5)):
        x, y, z = (affine @ [*index, 1])[:3]
        itk_place = itk.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((-x, -y, z), itk_place, rtol=0, atol=ITK_PLACES)


def test_the_nifti_file_has_these_values_and_no_name(tmp_path: Path) -> None:
    random_scan(slope=1, intercept=-24).write(tmp_path / "series")
    series = choose_series(tmp_path / "series")
    volume, affine = read_volume(series)
    path = series_to_nifti(series, tmp_path / "new" / "ct.nii")
    image = nib.load(path)
    assert image.get_data_dtype() == np.int16
    np.testing.assert_array_equal(image.get_fdata(), volume)
    np.testing.assert_allclose(image.affine, affine, rtol=0, atol=FLOAT32)
    np.testing.assert_allclose(image.get_qform(), affine, rtol=0, atol=FLOAT32)
    assert b"Doe" not in path.read_bytes()


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, -1024.25), (40.0, 0.0)])
def test_values_that_int16_cannot_hold_stay(tmp_path: Path, slope: float, intercept: float) -> None:
    scan = random_scan(slope=slope, intercept=intercept)
    scan.write(tmp_path / "series")
    path = series_to_nifti(choose_series(tmp_path / "series"), tmp_path / "ct.nii")
    expected = scan.stored.T * slope + intercept
    np.testing.assert_array_equal(nib.load(path).get_fdata(), expected)


def test_frames_of_an_enhanced_file(tmp_path: Path) -> None:
    scan = random_scan()
    scan.write(tmp_path / "single")
    (tmp_path / "enhanced").mkdir()
    scan.enhanced([3, 0, 5, 1, 4, 2]).save_as(
        tmp_path / "enhanced" / "one.dcm", enforce_file_format=True
    )
    wanted = read_volume(choose_series(tmp_path / "single"))
    found = read_volume(choose_series(tmp_path / "enhanced"))
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


def test_run_length_and_jpeg_files(tmp_path: Path) -> None:
    """pydicom's own decoder, and GDCM's for what ITK has compressed."""
    scan = random_scan()
    for k, file in enumerate(scan.write(tmp_path / "rle")):
        data = scan.header(k)
        data.compress(RLELossless)
        data.save_as(file)
    for file in scan.write(tmp_path / "jpeg"):
        _compress_with_itk(file)
        assert pydicom.dcmread(file).file_meta.TransferSyntaxUID.is_compressed
    expected = scan.stored.T * 0.5 - 1024
    for name in ("rle", "jpeg"):
        np.testing.assert_array_equal(read_volume(choose_series(tmp_path / name))[0], expected)


def _compress_with_itk(file: Path) -> None:
    """The stored values anew in lossless JPEG, with the tags of the file."""
    tags = pydicom.dcmread(file)
    other = file.with_name("other")
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(other))
    writer.SetCompressor("JPEG")  # lossless, as it is set up by default
    writer.UseCompressionOn()
    writer.Execute(sitk.GetImageFromArray(tags.pixel_array[None]))
    compressed = pydicom.dcmread(other)
    tags.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID
    tags.PixelData = compressed.PixelData
    tags["PixelData"].is_undefined_length = True
    tags.save_as(file)
    other.unlink()


def test_truncated_pixels_are_named(tmp_path: Path) -> None:
    files = random_scan().write(tmp_path / "series")
    files[2].write_bytes(files[2].read_bytes()[:-40])
    with pytest.raises(CobotError, match=rf"pixels of .*{files[2].name} cannot be read .*copy it"):
        series_to_nifti(choose_series(tmp_path / "series"), tmp_path / "ct.nii")
    assert not (tmp_path / "ct.nii").exists()


def test_an_unknown_compression_is_named(tmp_path: Path) -> None:
    scan = random_scan()
    for k, file in enumerate(scan.write(tmp_path / "series")):
        data = scan.header(k)
        data.compress(RLELossless)
        data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"  # HTJ2K
        data.save_as(file)
    with pytest.raises(CobotError, match=r"decompress it from High-Throughput JPEG 2000"):
        read_volume(choose_series(tmp_path / "series"))


def test_frames_without_places_are_refused(tmp_path: Path) -> None:
    data = random_scan().enhanced(range(6))
    del data.PerFrameFunctionalGroupsSequence
    data.save_as(tmp_path / "cine.dcm", enforce_file_format=True)
    with pytest.raises(CobotError, match=r"cine\.dcm holds 6 frames without their places"):
        read_volume(choose_series(tmp_path))


def test_unsigned_values(tmp_path: Path) -> None:
    stored = np.random.default_rng(2).integers(0, 65536, (4, 5, 6)).astype(np.uint16)
    Scan(stored, slope=1, intercept=-1024).write(tmp_path / "series")
    volume, _ = read_volume(choose_series(tmp_path / "series"))
    np.testing.assert_array_equal(volume, stored.T.astype(np.float64) - 1024)
