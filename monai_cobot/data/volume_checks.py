"""Cases that are volumes, checked before training starts: every file is read once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from monai_cobot.data.label_values import label_values, organs_present
from monai_cobot.data.problems import Problem
from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.errors import CobotError

CORNER_TOLERANCE = 0.05
"""Share of the smallest spacing by which a corner of the label's grid may lie off the image's:
far above what float32 headers round away, far below what moves a contour."""


UNREADABLE = (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError)
"""What nibabel raises at a damaged file."""


@dataclass(frozen=True)
class Volume:
    """A NIfTI file that was read.

    Attributes:
        path: the file.
        array: (X, Y, Z), source frame, values scaled as the header says.
        affine: (4, 4), voxels to RAS in mm.
    """

    path: str
    array: NDArray[Any]
    affine: NDArray[np.float64]


@dataclass
class CaseVolumes:
    """A case that was read once: what could be read of it, and what is wrong with it."""

    image: Volume | None = None
    label: Volume | None = None
    problems: list[Problem] = field(default_factory=list)


def read_case(case: Case, spec: DatasetSpec) -> CaseVolumes:
    """Read image and label of a case and list all that a training cannot take.

    Checked: readable to the end, 3D, a usable affine, a finite image; label (where there is one) of
    the same shape and affine, whole numbers within the organ table, and not empty.
    """
    read = CaseVolumes()
    for key in ("image", "label"):
        if key in case:
            try:
                setattr(read, key, Volume(case[key], *read_nifti(case[key])))
            except CobotError as error:
                read.problems.append(Problem(f"{key}_unreadable", str(error), case[key]))
    if read.image is not None:
        read.problems += _image_problems(read.image)
    if read.label is not None:
        read.problems += [
            *(_grid_problems(read.image, read.label) if read.image is not None else ()),
            *_label_problems(case, read.label, {o.label: o.name for o in spec.organs}),
        ]
    return read


def read_nifti(path: str | Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Array (source frame, values scaled as the header says) and affine (4, 4) of a NIfTI file.

    Raises:
        CobotError: missing, no NIfTI, truncated, or of colours or complex numbers.
    """
    try:
        file = nib.load(path)
        array = np.asanyarray(file.dataobj)
        if array.dtype.kind not in "biuf":  # colours or complex numbers
            raise CobotError(f"{path} holds {array.dtype}, not plain numbers: export one channel")
        if array.ndim == 4 and array.shape[3] == 1:
            array = array[..., 0]  # a time axis of one, as some exporters write
        return array, np.asarray(file.affine, dtype=np.float64)
    except CobotError:
        raise
    except FileNotFoundError:
        raise CobotError(f"{path} does not exist: check the path") from None
    except UNREADABLE as error:
        raise CobotError(
            f"{path} is not readable as NIfTI, it may be truncated ({error}): copy it again"
        ) from None


def usable(affine: NDArray[np.float64]) -> bool:
    """Whether an affine (4, 4) can be inverted."""
    return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) >= 1e-6)


def _image_problems(image: Volume) -> Iterator[Problem]:
    path, array = image.path, image.array
    if array.ndim != 3:
        message = f"{path} has shape {array.shape}, not three axes: export one 3D volume"
        yield Problem("image_axes", message, path)
    if not usable(image.affine):
        message = f"{path} has an unusable affine {image.affine.tolist()}: mend its header"
        yield Problem("image_affine", message, path)
    if not np.isfinite(array).all():
        message = f"{path} has NaN or infinite voxels: replace them (air is -1000 HU)"
        yield Problem("image_not_finite", message, path)


def _grid_problems(image: Volume, label: Volume) -> Iterator[Problem]:
    if label.array.shape != image.array.shape:
        message = (
            f"{label.path} has shape {label.array.shape}, its image {image.array.shape}: "
            "export the label on the image's grid"
        )
        yield Problem("label_shape", message, label.path)
    elif image.array.ndim == 3 and usable(image.affine):
        apart = corners_apart(image.affine, label.affine, image.array.shape)
        if not apart <= CORNER_TOLERANCE * np.linalg.norm(image.affine[:3, :3], axis=0).min():
            message = (
                f"{label.path} has another affine than its image {image.path} "
                f"({_difference(image.affine, label.affine)}, {apart:.3g} mm apart at a corner): "
                "resample the label onto the image's grid"
            )
            yield Problem("label_affine", message, label.path)


def corners_apart(
    first: NDArray[np.float64], second: NDArray[np.float64], shape: Sequence[int]
) -> float:
    """Largest distance along a world axis between corners of the two grids, mm."""
    corners = np.array(np.meshgrid(*([0, size - 1] for size in shape))).reshape(3, -1)
    difference = (first - second) @ np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.abs(difference).max())


def _difference(image: NDArray[np.float64], label: NDArray[np.float64]) -> str:
    """What differs between two affines, in words."""
    if _axes(image) != _axes(label):
        return f"axes {_axes(label)}, the image's {_axes(image)}"
    if not np.allclose(image[:3, :3], label[:3, :3], rtol=1e-3, atol=1e-3):
        return "spacing or directions differ"
    shift = np.linalg.solve(image[:3, :3], label[:3, 3] - image[:3, 3])
    return f"shifted by {', '.join(f'{value:.3g}' for value in shift.round(3) + 0.0)} voxels"


def _axes(affine: NDArray[np.float64]) -> str:
    """Axis codes such as LPS; "none" of an affine that has none."""
    return "".join(nib.aff2axcodes(affine)) if usable(affine) else "none"


def _label_problems(case: Case, label: Volume, organs: Mapping[int, str]) -> Iterator[Problem]:
    path = label.path
    try:
        label_values(case)
    except CobotError as error:
        yield Problem("label_values", str(error), path)
        return
    try:
        present = organs_present(case, label.array, path)
    except CobotError as error:
        yield Problem("label_not_whole", str(error), path)
        return
    outside = sorted(present - organs.keys())
    if outside:
        message = (
            f"{path} has labels {outside} outside the organ table {dict(organs)}: "
            "renumber or remove them"
        )
        yield Problem("label_outside_table", message, path)
    if not present:
        message = f"{path} is an empty label, without any organ: remove the case"
        yield Problem("label_empty", message, path)
