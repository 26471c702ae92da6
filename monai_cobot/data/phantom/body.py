"""The body around the organs: air and table, fat, muscle wall, ribs, lungs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_cobot.data.phantom.anatomy import AIR, DOME_LEFT, DOME_RIGHT, FAT, LUNG, MUSCLE
from monai_cobot.data.phantom.shapes import Array

CENTRE_Y, HALF_WIDTH, HALF_DEPTH, ROUNDNESS = 22.0, 135.0, 84.0, 2.3
"""The cavity's cross section, a superellipse: mm, and its exponent."""

WALL_MM, SKIN_MM, DIAPHRAGM_MM = 13.0, 2.0, 7.0
RIB_PERIOD, RIB_DESCENT = 28.0, 38.0
"""Distance of neighbouring ribs, and how far a rib descends per radian on its way forward, mm."""

MEDIASTINUM = 34.0
"""Half width in mm of what lies between the lungs."""


def body_background(points: Array, fat_mm: float) -> tuple[Array, NDArray[np.bool_]]:
    """Everything but the organs.

    Args:
        points: (3, X, Y, Z), anatomical frame, mm.
        fat_mm: thickness of the subcutaneous fat.

    Returns:
        image (X, Y, Z) in HU, and where organs may lie: the cavity without the lungs.
    """
    x, y, z = points
    cavity = cavity_level(points)
    surface = WALL_MM + fat_mm + SKIN_MM
    image = np.full(x.shape, AIR, dtype=np.float32)
    table = y - CENTRE_Y + HALF_DEPTH + surface + 6 - 0.0006 * x**2
    image[(np.abs(table) < 4) & (np.abs(x) < 200)] = -350
    for depth, hu in ((surface, 0.0), (surface - SKIN_MM, FAT), (WALL_MM, MUSCLE), (0.0, FAT)):
        image[cavity < depth] = hu
    image[rib_level(points, cavity) < 0] = 260
    inside = cavity < 0
    domes = np.minimum(DOME_RIGHT.level(points), DOME_LEFT.level(points))
    chest = inside & (z > 48 + 0.5 * y)
    image[chest & (np.abs(domes + 2) < DIAPHRAGM_MM / 2)] = MUSCLE
    lung = chest & (domes + 2 >= DIAPHRAGM_MM / 2) & (cavity < -2) & (np.abs(x) > MEDIASTINUM)
    image[lung] = LUNG
    return image, inside & ~lung


def cavity_level(points: Array) -> Array:
    """Level of the cavity at ``points`` (3, ...): mm along the radius, negative inside."""
    x, y, z = points
    waist = 1 - 0.05 * np.exp(-(((z + 60) / 45) ** 2))
    across = np.abs(x / (HALF_WIDTH * waist)) ** ROUNDNESS
    along = np.abs((y - CENTRE_Y) / HALF_DEPTH) ** ROUNDNESS
    radius = (across + along) ** (1 / ROUNDNESS)
    reach = np.hypot(x, y - CENTRE_Y) / np.maximum(radius, 1e-3)
    return np.asarray((radius - 1) * reach, dtype=np.float32)


def rib_level(points: Array, cavity: Array) -> Array:
    """Level of the ribs, negative inside; ``cavity`` is cavity_level at the same points."""
    x, y, z = points
    angle = np.arctan2(np.abs(x), CENTRE_Y - y)
    phase = np.mod(z + RIB_DESCENT * angle, RIB_PERIOD) - RIB_PERIOD / 2
    section = np.hypot((cavity - 6) / 4, phase / 6) - 1
    margin = -30 + 75 * np.maximum(angle - 1.2, 0) + 60 * np.maximum(0.9 - angle, 0)
    there = (angle > 0.3) & (angle < 2.5) & (z > margin)
    return np.where(there, section, np.float32(1)).astype(np.float32)
