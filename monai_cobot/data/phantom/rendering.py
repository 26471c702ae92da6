"""A patient rendered as a CT: Hounsfield units and labels on an anisotropic grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_cobot.data.phantom.anatomy import GAS, Structure
from monai_cobot.data.phantom.body import body_background
from monai_cobot.data.phantom.grid import Shape3, Spacing, anatomical_points, spacing_for
from monai_cobot.data.phantom.patient import Patient
from monai_cobot.data.phantom.shapes import Array, Bounds

POINT_SPREAD = (0.55, 0.55, 0.3)
"""Blur of the scanner along x, y and z, voxels."""


def render(
    patient: Patient, shape: Shape3, rng: np.random.Generator
) -> tuple[NDArray[np.int16], NDArray[np.uint8], Spacing]:
    """Render a scan.

    Args:
        patient: who.
        shape: voxels along x, y and z.
        rng: draws deformation, texture and noise.

    Returns:
        image in HU and label map, both (X, Y, Z) in RAS order, and the spacing in mm.
    """
    spacing = spacing_for(patient, shape)
    points = anatomical_points(patient, shape, spacing, rng)
    image, inside = body_background(points, patient.fat_mm)
    label = np.zeros(shape, dtype=np.uint8)
    canvas = Canvas(points, image, label, inside, _noise(rng, shape, 1.2))
    for structure in patient.structures:
        canvas.paint(structure)
    return _scan(image, patient.noise_hu, rng), label, spacing


class Canvas:
    """A volume being painted; all arrays (X, Y, Z) in RAS order.

    Args:
        points: (3, X, Y, Z), anatomical frame, mm.
        image: HU, painted in place.
        label: labels, painted in place.
        inside: where organs may lie.
        grain: texture of deviation 1.
    """

    def __init__(
        self,
        points: Array,
        image: Array,
        label: NDArray[np.uint8],
        inside: NDArray[np.bool_],
        grain: Array,
    ) -> None:
        self.points, self.image, self.label = points, image, label
        self.inside, self.grain = inside, grain
        others = ((1, 2), (0, 2), (0, 1))
        self._lowest = [p.min(axis=other) for p, other in zip(points, others, strict=True)]
        self._highest = [p.max(axis=other) for p, other in zip(points, others, strict=True)]

    def paint(self, structure: Structure) -> None:
        """Paint one structure over what is there."""
        box = self._box(structure.shape.bounds())
        if box is None:
            return
        points = self.points[(slice(None), *box)]
        level = structure.shape.level(points)
        mask = (level < 0) if structure.group == "fixed" else (level < 0) & self.inside[box]
        values = structure.hu + structure.texture * self.grain[box]
        if structure.gas_above is not None:
            values = np.where(points[1] > structure.gas_above, GAS, values)
        if structure.rim is not None:
            thickness, hu = structure.rim
            values = np.where(level > -thickness, hu, values)
        self.image[box][mask] = values[mask]
        self.label[box][mask] = structure.label

    def _box(self, bounds: Bounds) -> tuple[slice, ...] | None:
        """Index box of the voxels that can lie within ``bounds``; None where there are none."""
        box: list[slice] = []
        for lowest, highest, low, high in zip(self._lowest, self._highest, *bounds, strict=True):
            where = np.flatnonzero((highest >= low) & (lowest <= high))
            if not where.size:
                return None
            box.append(slice(int(where[0]), int(where[-1]) + 1))
        return tuple(box)


def _scan(image: Array, noise_hu: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """The scanner: point spread, correlated noise, the range of a CT, whole numbers."""
    noisy = ndimage.gaussian_filter(image, POINT_SPREAD) + noise_hu * _noise(rng, image.shape, 0.6)
    return np.asarray(np.clip(np.rint(noisy), -1024, 1500), dtype=np.int16)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Array:
    """Noise of deviation 1 that is correlated in plane over ``sigma`` voxels."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (sigma, sigma, 0.2))
    return np.asarray(noise / noise.std(), dtype=np.float32)
