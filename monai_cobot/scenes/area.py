"""Rectangles of whole pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BLOCK = 1024
"""Side of the largest area that is looked at at once, pixels; a multiple of a GeoTIFF's tiles."""


@dataclass(frozen=True, order=True)
class Area:
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of a scene, half open."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns (H, W)."""
        return self.bottom - self.top, self.right - self.left

    def overlap(self, other: Area) -> Area | None:
        """What both have in common; None where that is nothing."""
        common = Area(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )
        return common if min(common.shape) > 0 else None

    def within(self, outer: Area) -> tuple[slice, slice]:
        """Rows and columns of this area in an array (H, W) of the outer one."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def around(self, other: Area) -> Area:
        """The smallest area that holds both."""
        return Area(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def blocks(self, side: int = BLOCK) -> Iterator[Area]:
        """Parts of at most ``side`` rows and columns, row by row, counted from the scene's corner.

        So the blocks of all areas have their borders at the same places.
        """
        for top in range(self.top // side * side, self.bottom, side):
            for left in range(self.left // side * side, self.right, side):
                block = self.overlap(Area(top, left, top + side, left + side))
                if block is not None:
                    yield block

    def blocks_of_columns(self, side: int = BLOCK) -> Iterator[Area]:
        """Parts of all rows and at most ``side`` columns, from left to right."""
        for left in range(self.left, self.right, side):
            yield Area(self.top, left, self.bottom, min(left + side, self.right))
