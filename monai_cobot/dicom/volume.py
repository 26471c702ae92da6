"""The voxels of a DICOM series, and the same as a NIfTI file."""

from __future__ import annotations

import warnings
from itertools import groupby
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.uid import UID

from monai_cobot.dicom.folder import Series
from monai_cobot.dicom.geometry import arrange
from monai_cobot.dicom.plane import Plane
from monai_cobot.errors import CobotError
from monai_cobot.whole_file import whole_file


def read_volume(series: Series) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Read a series as one volume.

    Args:
        series: its files in any order.

    Returns:
        (I, J, K) values with slope and intercept applied (HU for CT): column, row, slice as
        :func:`~monai_cobot.dicom.geometry.arrange` counts them; and the affine (4, 4), indices to
        RAS millimetres.

    Raises:
        CobotError: the slices make no volume, or a file's pixels cannot be read.
    """
    planes, affine = arrange(series.planes())
    rows, columns = planes[0].shape
    volume = np.empty((columns, rows, len(planes)), np.float32, order="F")
    numbered = enumerate(planes)
    for file, group in groupby(numbered, key=lambda pair: pair[1].file):
        stored = _pixels(file)
        for k, plane in group:
            volume[:, :, k] = _values(stored, plane).T
    return volume, affine


def series_to_nifti(series: Series, path: str | Path) -> Path:
    """Write a series as NIfTI, all or nothing; int16 where that holds every value.

    Args:
        series: its files in any order.
        path: ``.nii`` or ``.nii.gz``; its folder is made.

    Returns:
        path. Array and affine are those of :func:`read_volume`; nothing that names a patient is
        written.

    Raises:
        CobotError: what :func:`read_volume` raises.
    """
    volume, affine = read_volume(series)
    whole = volume.astype(np.int16, casting="unsafe") if _fits_int16(volume) else volume
    image = nib.Nifti1Image(whole, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    with whole_file(path) as file:
        nib.save(image, file)
    return Path(path)


def _pixels(file: Path) -> NDArray[np.generic]:
    """Stored values (frames, rows, columns) of a file."""
    syntax = UID("")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values that break a rule and can be read
            data = pydicom.dcmread(file, force=True)
            syntax = UID(data.file_meta.get("TransferSyntaxUID", ""))
            stored: NDArray[np.generic] = data.pixel_array
    except Exception as error:  # decoders raise what the bytes lead them to
        raise CobotError(
            f"the pixels of {file} cannot be read ({str(error).partition(chr(10))[0]}): copy it "
            f"again{_decompress(syntax)}"
        ) from error
    return stored if stored.ndim == 3 else stored[None]


def _decompress(syntax: UID) -> str:
    if not syntax.is_transfer_syntax or not syntax.is_compressed:
        return ""
    return f"; if it is whole, decompress it from {syntax.name} (gdcmconv --raw)"


def _values(stored: NDArray[np.generic], plane: Plane) -> NDArray[np.float64]:
    if plane.frame >= len(stored) or stored.shape[1:] != plane.shape:
        raise CobotError(
            f"{plane.file} holds pixels {stored.shape}, its header says {plane.shape}: copy it "
            "again"
        )
    values: NDArray[np.float64] = stored[plane.frame].astype(np.float64)
    return values * plane.slope + plane.intercept


def _fits_int16(volume: NDArray[np.float32]) -> bool:
    limits = np.iinfo(np.int16)
    within = limits.min <= volume.min() and volume.max() <= limits.max
    return bool(within and np.array_equal(volume, np.round(volume)))
