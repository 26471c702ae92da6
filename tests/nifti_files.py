"""NIfTI files with awkward geometry, for tests."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

#: All 48 ways of storing a volume: which world axis an array axis follows, and in which direction.
ORIENTATIONS = [
    "".join(pair[way] for pair, way in zip(axes, ways, strict=True))
    for axes in permutations(("RL", "AP", "SI"))
    for ways in product((0, 1), repeat=3)
]
SPACING = (0.7, 1.3, 4.1)  # millimetres, along the array's axes: anisotropic
TILT_DEGREES = (11.0, -7.0, 17.0)


def oblique_affine(orientation: str) -> NDArray[np.float64]:
    """An affine near to the orientation, tilted about all three axes, with anisotropic spacing."""
    matrix = np.zeros((3, 3))
    for axis, code in enumerate(orientation):
        world = next(i for i, pair in enumerate(("RL", "AP", "SI")) if code in pair)
        matrix[world, axis] = (1 if code in "RAS" else -1) * SPACING[axis]
    for world, degrees in enumerate(TILT_DEGREES):
        a, b = [axis for axis in range(3) if axis != world]
        turn = np.eye(3)
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn[a, a], turn[b, b], turn[a, b], turn[b, a] = cos, cos, -sin, sin
        matrix = turn @ matrix
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = (-83.5, 41.25, -512.125)
    return affine


def write_nifti(path: Path, array: NDArray[Any], affine: NDArray[np.float64]) -> Path:
    """A file with sform (scanner), qform (aligned) and units of its own."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(affine, code=2)
    image.set_sform(affine, code=1)
    image.header["descrip"] = b"a patient's name"
    nib.save(image, path)
    return path
