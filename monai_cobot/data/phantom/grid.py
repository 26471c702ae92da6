"""From voxels to the anatomical frame: spacing, pose, size and a smooth deformation."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from monai_cobot.data.phantom.anatomy import BOTTOM, TOP
from monai_cobot.data.phantom.body import CENTRE_Y, HALF_WIDTH, WALL_MM
from monai_cobot.data.phantom.patient import Patient
from monai_cobot.data.phantom.shapes import Array

Spacing: TypeAlias = tuple[float, float, float]
Shape3: TypeAlias = tuple[int, int, int]

MARGIN = 1.1
"""Field of view against the width of the body."""

NODES = (5, 5, 6)
"""Nodes of the deformation along x, y and z: some 80 mm apart."""


def spacing_for(patient: Patient, shape: Shape3) -> Spacing:
    """Spacing in mm with which the body fits in plane and the scan has its extent along z."""
    width = 2 * (HALF_WIDTH + WALL_MM + patient.fat_mm) * patient.scale[0] * MARGIN
    in_plane = round(width / min(shape[:2]), 3)
    return in_plane, in_plane, round((TOP - BOTTOM) * patient.scale[2] / shape[2], 2)


def anatomical_points(
    patient: Patient, shape: Shape3, spacing: Spacing, rng: np.random.Generator
) -> Array:
    """Position of each voxel (3, X, Y, Z), RAS order, in the anatomical frame in mm."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    x, y = x - patient.shift_mm[0], y - patient.shift_mm[1]
    angle = np.deg2rad(patient.tilt_deg)
    turned = (x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle), z)
    points = np.stack(turned) / np.reshape(patient.scale, (3, 1, 1, 1))
    points += np.reshape((0, CENTRE_Y - 4, (TOP + BOTTOM) / 2), (3, 1, 1, 1))
    for axis in range(3):
        points[axis] += _spread(rng.normal(0, patient.warp_mm, NODES), shape)
    return np.asarray(points, dtype=np.float32)


def _spread(coarse: NDArray[np.float64], shape: Shape3) -> NDArray[np.float64]:
    """A field given at a few nodes, by cubic splines on a grid of ``shape``."""
    field = coarse
    for nodes, size in zip(coarse.shape, shape, strict=True):
        basis = CubicSpline(np.linspace(0, 1, nodes), np.eye(nodes))(np.linspace(0, 1, size))
        field = np.tensordot(field, basis, axes=(0, 1))  # the axis moves to the end, so all turn
    return field
