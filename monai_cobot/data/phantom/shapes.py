"""Solids as implicit functions: negative inside, about the distance to the surface in mm outside.

Points are (3, ...) arrays in the anatomical frame: mm, x to the patient's right, y anterior, z
superior, the origin in the middle of the first lumbar vertebra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

Array: TypeAlias = NDArray[np.float32]
Point: TypeAlias = tuple[float, float, float]
Bounds: TypeAlias = tuple[Array, Array]


class Shape(Protocol):
    """A solid."""

    def level(self, points: Array) -> Array:
        """Signed level (...) at ``points`` (3, ...), about mm; negative is inside."""

    def bounds(self) -> Bounds:
        """Lowest and highest corner (3,), mm, of a box that holds the solid."""


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; ``turn`` is its rotation about x, y and z in degrees."""

    centre: Point
    radii: Point
    turn: Point = (0.0, 0.0, 0.0)

    def level(self, points: Array) -> Array:
        """See Shape."""
        rotation = Rotation.from_euler("xyz", self.turn, degrees=True).as_matrix()
        to_unit = (rotation.T / np.asarray(self.radii)[:, None]).astype(np.float32)
        offset = points - _column(self.centre, points.ndim)
        radius = np.linalg.norm(np.tensordot(to_unit, offset, axes=1), axis=0)
        return np.asarray((radius - 1) * min(self.radii), dtype=np.float32)

    def bounds(self) -> Bounds:
        """See Shape."""
        rotation = Rotation.from_euler("xyz", self.turn, degrees=True).as_matrix()
        reach = np.sqrt(((rotation * np.asarray(self.radii)) ** 2).sum(axis=1))
        return _f32(np.asarray(self.centre) - reach), _f32(np.asarray(self.centre) + reach)


@dataclass(frozen=True)
class Tube:
    """A bent tube: knots (x, y, z, radius) joined by a spline; ``samples`` pieces between two."""

    knots: tuple[tuple[float, float, float, float], ...]
    samples: int = 3

    def level(self, points: Array) -> Array:
        """See Shape."""
        level = np.full(points.shape[1:], np.inf, dtype=np.float32)
        for start, end in pairwise(self._line()):
            axis = end[:3] - start[:3]
            offset = points - _column(start[:3], points.ndim)
            along = np.tensordot(axis, offset, axes=1) / np.float32(axis @ axis)
            along = np.clip(along, 0, 1)
            gap = offset - _column(axis, points.ndim) * along
            distance = np.sqrt(np.einsum("i...,i...->...", gap, gap))
            np.minimum(level, distance - (start[3] + (end[3] - start[3]) * along), out=level)
        return level

    def bounds(self) -> Bounds:
        """See Shape."""
        line = self._line()
        radius = line[:, 3:]
        return (line[:, :3] - radius).min(axis=0), (line[:, :3] + radius).max(axis=0)

    def _line(self) -> Array:
        count = len(self.knots)
        parameter = np.linspace(0, count - 1, (count - 1) * self.samples + 1)
        return _f32(CubicSpline(np.arange(count), self.knots)(parameter))


@dataclass(frozen=True)
class Union:
    """Several solids as one; ``smooth`` mm of fillet where they meet."""

    parts: tuple[Shape, ...]
    smooth: float = 0.0

    def level(self, points: Array) -> Array:
        """See Shape."""
        first, *rest = (part.level(points) for part in self.parts)
        for other in rest:
            near = np.maximum(self.smooth - np.abs(first - other), 0) / max(self.smooth, 1e-6)
            first = np.minimum(first, other) - near**2 * self.smooth / 4
        return first

    def bounds(self) -> Bounds:
        """See Shape."""
        low, high = zip(*(part.bounds() for part in self.parts), strict=True)
        return _f32(np.min(low, axis=0) - self.smooth), _f32(np.max(high, axis=0) + self.smooth)


@dataclass(frozen=True)
class Cut:
    """A solid without what lies in another."""

    whole: Shape
    hole: Shape

    def level(self, points: Array) -> Array:
        """See Shape."""
        return np.maximum(self.whole.level(points), -self.hole.level(points))

    def bounds(self) -> Bounds:
        """See Shape."""
        return self.whole.bounds()


@dataclass(frozen=True)
class Moved:
    """A solid scaled about the middle of its bounds, then shifted (mm)."""

    shape: Shape
    shift: Point
    scale: float

    def level(self, points: Array) -> Array:
        """See Shape."""
        middle = self._middle()
        centre = _column(middle + np.asarray(self.shift), points.ndim)
        back = (points - centre) / np.float32(self.scale) + _column(middle, points.ndim)
        return self.shape.level(back) * np.float32(self.scale)

    def bounds(self) -> Bounds:
        """See Shape."""
        middle = self._middle()
        low, high = self.shape.bounds()
        centre = middle + np.asarray(self.shift)
        return _f32((low - middle) * self.scale + centre), _f32(
            (high - middle) * self.scale + centre
        )

    def _middle(self) -> Array:
        low, high = self.shape.bounds()
        return _f32((low + high) / 2)


def _f32(values: NDArray[np.floating]) -> Array:
    return np.asarray(values, dtype=np.float32)


def _column(point: Sequence[float] | Array, ndim: int) -> Array:
    return np.asarray(point, dtype=np.float32).reshape(3, *[1] * (ndim - 1))
