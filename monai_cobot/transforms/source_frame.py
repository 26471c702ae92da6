"""Slices and boxes of a source image: its own indices to those of the slices, and back."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from monai_cobot.errors import CobotError
from monai_cobot.transforms.orientation import source_axes


class SourceFrame:
    """Intervals of edges of a source image, to slices and back.

    Args:
        affine: (4, 4) of the source, indices to RAS millimetres.
        shape: (I, J, K) of the source's array.

    Raises:
        CobotError: the affine points an axis nowhere.
    """

    def __init__(self, affine: ArrayLike, shape: Sequence[int]) -> None:
        self.axes, self.shape = source_axes(affine), tuple(shape)
        self.slice_axis = int((self.axes[:, 0] == 2).argmax())
        self.plane = [axis for axis in range(3) if axis != self.slice_axis]

    def check(self, index: int, box: Sequence[float], place: str) -> None:
        """Refuse a slice or a box that does not lie within the image (CobotError)."""
        self.check_slice(index, place)
        width, height = (self.shape[axis] for axis in self.plane)
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise CobotError(
                f"{place}: box {list(box)} is empty or reaches outside: "
                f"give 0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}, in voxel edges of "
                "the source image"
            )

    def check_slice(self, index: int, place: str) -> None:
        """Refuse a slice that does not lie within the image (CobotError)."""
        if not 0 <= index < self.slices:
            raise CobotError(
                f"{place}: slice {index} is outside of the image, whose slices "
                f"(axis {self.slice_axis} of {self.shape}) are 0 to {self.slices - 1}"
            )

    @property
    def slices(self) -> int:
        """Number of slices."""
        return int(self.shape[self.slice_axis])

    def slice_to_voxel(self, index: int) -> int:
        """Slice of the source to slice z of the voxel frame; its own inverse."""
        return int(self.mirrored(self.slice_axis, index, index + 1)[0])

    def mirrored(self, axis: int, low: float, high: float) -> tuple[float, float]:
        """Exchange an interval on a source axis for that on its voxel axis; its own inverse."""
        size = self.shape[axis]
        return (low, high) if self.axes[axis, 1] > 0 else (size - high, size - low)

    def to_slice(self, box: Sequence[float]) -> list[float]:
        """Source box to slice box: to the voxel axis X or Y, then against it (columns, rows)."""
        slice_box = [0.0] * 4
        for at, axis in enumerate(self.plane):
            low, high = self.mirrored(axis, box[at], box[at + 2])
            side, size = self.axes[axis, 0], self.shape[axis]
            slice_box[side], slice_box[side + 2] = size - high, size - low
        return slice_box

    def to_source(self, box: Sequence[float]) -> tuple[float, float, float, float]:
        """Slice box to source box."""
        source = [0.0] * 4
        for at, axis in enumerate(self.plane):
            side, size = self.axes[axis, 0], self.shape[axis]
            source[at], source[at + 2] = self.mirrored(axis, size - box[side + 2], size - box[side])
        return (source[0], source[1], source[2], source[3])
