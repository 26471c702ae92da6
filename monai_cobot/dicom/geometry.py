"""Slices in the order of space, and the affine of the volume that they make.

The array's axes are column, row, slice. Slices are counted along the normal, which is the
direction of the columns' count times (cross product) that of the rows' count: for usual axial
scans from the feet to the head. What the files are called, InstanceNumber and SliceThickness do
not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monai_cobot.dicom.plane import Plane
from monai_cobot.errors import CobotError

PLACE_TOLERANCE = 0.1
"""Share of the spacing by which a slice may lie off its place on the regular grid: far above what
rounded positions give, far below a missing slice."""

TILT_TOLERANCE = 0.5
"""Pixels by which a slice may be shifted in its plane: less would be no gantry tilt to speak of."""

SAME = 1e-3
"""Differences of directions (cosines) and, as a share, of pixel spacings that are rounding."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def arrange(planes: Sequence[Plane]) -> tuple[list[Plane], NDArray[np.float64]]:
    """Sort slices along their normal, and give the volume's affine.

    Args:
        planes: of one series, in any order.

    Returns:
        the slices in ascending order, and (4, 4): indices (column, row, slice) to RAS millimetres.

    Raises:
        CobotError: a single slice, slices of different sizes, directions or spacings (a localizer
            among them), two at the same place, a missing one, uneven spacing, a tilted gantry.
    """
    if len(planes) < 2:
        raise CobotError(f"{planes[0].file} is a single slice, no volume: add the others")
    _check_alike(planes)
    across, down = np.reshape(planes[0].directions, (2, 3))
    if abs(np.linalg.norm(across) - 1) > SAME or abs(np.linalg.norm(down) - 1) > SAME:
        raise CobotError(
            f"{planes[0].file}: ImageOrientationPatient holds no unit vectors: mend it"
        )
    if abs(across @ down) > SAME:
        raise CobotError(
            f"{planes[0].file}: ImageOrientationPatient is not at right angles: mend the header"
        )
    normal = np.cross(across, down)
    ordered = sorted(planes, key=lambda plane: float(normal @ plane.position))
    positions = np.array([plane.position for plane in ordered])
    spacing = _even_spacing(ordered, positions @ normal)
    row_spacing, column_spacing = planes[0].spacing
    _check_tilt(ordered, positions, np.stack([across / column_spacing, down / row_spacing]))
    affine = np.eye(4)
    affine[:3, 0] = across * column_spacing
    affine[:3, 1] = down * row_spacing
    affine[:3, 2] = normal * spacing
    affine[:3, 3] = positions[0]
    return ordered, LPS_TO_RAS @ affine


def _check_alike(planes: Sequence[Plane]) -> None:
    first = planes[0]
    for plane in planes[1:]:
        if plane.shape != first.shape:
            raise CobotError(
                f"{plane.file} has {plane.shape} rows and columns, {first.file} {first.shape}: "
                "take out the slices that are not of this volume"
            )
        if not np.allclose(plane.directions, first.directions, rtol=0, atol=SAME):
            raise CobotError(
                f"{plane.file} lies in another direction than {first.file}, as a localizer (scout) "
                "does: take out the slices that are not of this volume"
            )
        if not np.allclose(plane.spacing, first.spacing, rtol=SAME, atol=0):
            raise CobotError(
                f"{plane.file} has PixelSpacing {plane.spacing}, {first.file} {first.spacing}: "
                "take out the slices that are not of this volume"
            )


def _even_spacing(ordered: Sequence[Plane], heights: NDArray[np.float64]) -> float:
    """Millimetres between slices (positive); CobotError where they are not evenly spaced."""
    steps = np.diff(heights)
    usual = float(np.median(steps))
    low = int(steps.argmin())
    if steps[low] <= PLACE_TOLERANCE * usual or usual <= 0:
        raise CobotError(
            f"{_name(ordered[low])} and {_name(ordered[low + 1])} lie at the same place: keep one "
            "copy of a slice, and one phase or time point of the scan"
        )
    mean = float(steps.mean())
    off = np.abs(heights - (heights[0] + mean * np.arange(len(heights))))
    if off.max() <= PLACE_TOLERANCE * mean:
        return mean
    wide = int(steps.argmax())
    place = f"between {_name(ordered[wide])} and {_name(ordered[wide + 1])}"
    if steps[wide] > 1.5 * usual:
        raise CobotError(
            f"a slice is missing {place}: they are {steps[wide]:.2f} mm apart, others "
            f"{usual:.2f} mm: export the series again"
        )
    raise CobotError(
        f"the slices are unevenly spaced, {steps.min():.2f} to {steps.max():.2f} mm, most {place}: "
        "resample the series to even spacing and give it as NIfTI"
    )


def _check_tilt(
    ordered: Sequence[Plane], positions: NDArray[np.float64], to_pixels: NDArray[np.float64]
) -> None:
    """Refuses slices that are shifted in their plane, as a tilted gantry leaves them."""
    shifts = (positions - positions[0]) @ to_pixels.T
    if np.abs(shifts).max() > TILT_TOLERANCE:
        raise CobotError(
            f"the slices of {ordered[0].file.parent} are shifted against each other by up to "
            f"{np.abs(shifts).max():.1f} pixels, as a tilted gantry leaves them: correct the tilt "
            "when converting to NIfTI (dcm2niix does), and give that file"
        )


def _name(plane: Plane) -> str:
    return f"{plane.file.name} frame {plane.frame}" if plane.frame else plane.file.name
