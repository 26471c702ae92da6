"""Cases checked before training starts: every file is opened once."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from tqdm import tqdm

from monai_cobot.data.image_checks import check_image_case
from monai_cobot.data.label_values import organs_present
from monai_cobot.data.spec import Case, DatasetSpec, target_instances
from monai_cobot.errors import CobotError

CORNER_TOLERANCE = 0.05
"""Share of the smallest spacing by which a corner of the label's grid may lie off the image's:
far above what float32 headers round away, far below what moves a contour."""

LISTED = 10
"""So many broken cases are listed in one error."""


def check_cases(cases: Iterable[Case], spec: DatasetSpec, progress: bool = False) -> None:
    """Open every image and label and refuse what cannot be trained on.

    Checked of volumes: readable to the end, 3D, a usable affine, a finite image; label (where there
    is one) of the same shape and affine, whole numbers within the organ table, and not empty. Of
    images: see check_image_case, and that there is a target at all.

    Args:
        cases: items with ``case``, ``image`` and, optionally, ``label`` or ``instances``.
        spec: the dataset, for its dimensions and its organ table.
        progress: show a progress bar.

    Raises:
        CobotError: lists the first broken cases, each with its file and remedy.
    """
    cases = list(cases)
    check = check_case if spec.dimensions == 3 else check_image_case
    problems: list[str] = []
    for case in tqdm(cases, desc="checking cases", disable=not progress or len(cases) == 1):
        try:
            check(case, spec)
        except CobotError as error:
            problems.append(f"{case['case']}: {error}")
    if problems:
        more = len(problems) - LISTED
        lines = problems[:LISTED] + ([f"and {more} more"] if more > 0 else [])
        raise CobotError(f"{len(problems)} unusable case(s):\n  " + "\n  ".join(lines))
    labelled = [case for case in cases if "instances" in case]
    if labelled and not any(target_instances(case) for case in labelled):
        raise CobotError(
            f"none of {len(labelled)} images has an instance with a mask: add the masks, boxes "
            "alone are no truth"
        )


def check_case(case: Case, spec: DatasetSpec) -> None:
    """Check one volume; see check_cases. CobotError tells its first problem."""
    image, image_affine = read_nifti(case["image"])
    _check_grid(case["image"], image, image_affine)
    if not np.isfinite(image).all():
        raise CobotError(
            f"{case['image']} has NaN or infinite voxels: replace them (air is -1000 HU)"
        )
    if "label" not in case:
        return
    label, label_affine = read_nifti(case["label"])
    if label.shape != image.shape:
        raise CobotError(
            f"{case['label']} has shape {label.shape}, its image {image.shape}: "
            "export the label on the image's grid"
        )
    if not _same_grid(image_affine, label_affine, image.shape):
        raise CobotError(
            f"{case['label']} has another affine than its image {case['image']}: resample the "
            f"label onto the image's grid (label {label_affine.round(3).tolist()}, "
            f"image {image_affine.round(3).tolist()})"
        )
    _check_labels(case, label, {organ.label: organ.name for organ in spec.organs})


def read_nifti(path: str | Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Array (source frame, values scaled as the header says) and affine (4, 4) of a NIfTI file.

    Raises:
        CobotError: missing, no NIfTI, or truncated.
    """
    try:
        file = nib.load(path)
        array = np.asanyarray(file.dataobj)
        if array.ndim == 4 and array.shape[3] == 1:
            array = array[..., 0]  # a time axis of one, as some exporters write
        return array, np.asarray(file.affine, dtype=np.float64)
    except FileNotFoundError:
        raise CobotError(f"{path} does not exist: check the path") from None
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:
        raise CobotError(
            f"{path} is not readable as NIfTI, it may be truncated ({error}): copy it again"
        ) from None


def _check_grid(path: str, array: NDArray[Any], affine: NDArray[np.float64]) -> None:
    if array.ndim != 3:
        raise CobotError(f"{path} has shape {array.shape}, not three axes: export one 3D volume")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise CobotError(f"{path} has an unusable affine {affine.tolist()}: mend its header")


def _same_grid(
    first: NDArray[np.float64], second: NDArray[np.float64], shape: Sequence[int]
) -> bool:
    """Whether the corners of the two grids lie together, to CORNER_TOLERANCE."""
    corners = np.array(np.meshgrid(*([0, size - 1] for size in shape))).reshape(3, -1)
    difference = (first - second) @ np.vstack([corners, np.ones(corners.shape[1])])
    spacing = np.linalg.norm(first[:3, :3], axis=0).min()
    return bool(np.abs(difference).max() <= CORNER_TOLERANCE * spacing)


def _check_labels(case: Case, label: NDArray[Any], organs: Mapping[int, str]) -> None:
    path = case["label"]
    present = organs_present(case, label, path)
    outside = sorted(present - organs.keys())
    if outside:
        raise CobotError(
            f"{path} has labels {outside} outside the organ table {dict(organs)}: "
            "renumber or remove them"
        )
    if not present:
        raise CobotError(f"{path} is an empty label, without any organ: remove the case")
