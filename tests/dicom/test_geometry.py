"""Slices that make no volume are refused, with the slice's name and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monai_cobot.dicom import Plane, arrange
from monai_cobot.errors import CobotError

Spoil = Callable[[list[Plane]], list[Plane]]


def stack(count: int = 6, spacing: float = 2.5) -> list[Plane]:
    """Axial slices from z = -100 mm upwards, pixels of 0.8 (down) by 0.6 mm (across)."""
    return [
        Plane(
            Path(f"/scan/slice{k}"), 0, (20, 30), (-50.0, -60.0, -100.0 + k * spacing),
            (1, 0, 0, 0, 1, 0), (0.8, 0.6), 1.0, 0.0,
        )
        for k in range(count)
    ]  # fmt: skip


def moved(plane: Plane, x: float = 0, y: float = 0, z: float = 0) -> Plane:
    return replace(plane, position=tuple(np.add(plane.position, (x, y, z))))


def test_the_affine_by_hand() -> None:
    """Columns go to the patient's left (-x in RAS), rows to the back (-y), slices up."""
    ordered, affine = arrange(stack()[::-1])
    assert [plane.file.name for plane in ordered] == [f"slice{k}" for k in range(6)]
    expected = [[-0.6, 0, 0, 50], [0, -0.8, 0, 60], [0, 0, 2.5, -100], [0, 0, 0, 1]]
    np.testing.assert_array_equal(affine, expected)


def test_rounded_positions_are_even_enough() -> None:
    """1.25 mm written with one decimal: steps of 1.2 and 1.3."""
    planes = [
        moved(plane, z=round(k * 1.25, 1) - k * 1.25)
        for k, plane in enumerate(stack(40, spacing=1.25))
    ]
    _, affine = arrange(planes)
    assert affine[2, 2] == pytest.approx(1.25, abs=0.05 / 39)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s[:1], "slice0 is a single slice"),
        (lambda s: s[:2] + s[3:], "a slice is missing between slice1 and slice3: .*5.00 mm apart"),
        (lambda s: [*s, replace(s[3], file=Path("/scan/copy"))], "lie at the same place: keep one"),
        (lambda s: [*s[:-1], moved(s[-1], z=1)], "unevenly spaced, 2.50 to 3.50 mm, most between"),
        (lambda s: [moved(p, y=k * 0.5) for k, p in enumerate(s)], "tilted gantry .*dcm2niix"),
        (
            lambda s: [*s, replace(s[0], directions=(0, 1, 0, 0, 0, -1))],
            "slice0 lies in another direction .*localizer",
        ),
        (lambda s: [*s, replace(s[0], shape=(20, 31))], r"slice0 has \(20, 31\) rows and columns"),
        (lambda s: [*s, replace(s[0], spacing=(0.8, 0.7))], "slice0 has PixelSpacing"),
        (lambda s: [replace(p, directions=(2, 0, 0, 0, 1, 0)) for p in s], "no unit vectors"),
        (lambda s: [replace(p, directions=(1, 0, 0, 0.6, 0.8, 0)) for p in s], "right angles"),
    ],
    ids=["single", "missing", "twice", "uneven", "tilt", "localizer", "size", "pixels", "units",
         "angles"],
)  # fmt: skip
def test_what_makes_no_volume(spoil: Spoil, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        arrange(spoil(stack()))


def test_two_time_points_are_no_volume() -> None:
    with pytest.raises(CobotError, match="one phase or time point"):
        arrange(stack() + stack())
