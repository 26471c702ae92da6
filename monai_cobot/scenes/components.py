"""Connected components of a class map that is seen block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from monai_cobot.scenes.area import Area

EIGHT = np.ones((3, 3), bool)
"""Pixels that touch at a corner are connected too."""

Numbers = NDArray[np.uint32]
Line = tuple[NDArray[np.int64], NDArray[np.uint8]]


class Components:
    """Numbers the components of blocks, and learns which of them are one across the borders.

    Blocks come row by row; those of a row have the same rows and cover the width.

    Args:
        width: columns of the class map.
    """

    def __init__(self, width: int) -> None:
        self._labels: list[NDArray[np.uint8]] = [np.zeros(1, np.uint8)]
        self._pixels: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        self._count = 0
        self._pairs: list[NDArray[np.int64]] = []
        # Numbers and classes of the row above a block, with a column more on each side, and of the
        # column before it.
        self._above: Line = (np.zeros(width + 2, np.int64), np.zeros(width + 2, np.uint8))
        self._below: Line = (np.zeros(width + 2, np.int64), np.zeros(width + 2, np.uint8))
        self._left: Line | None = None

    def number(self, classes: NDArray[np.uint8], area: Area) -> Numbers:
        """Preliminary numbers (H, W) of a block's components, 0 where the class is 0."""
        numbers = self._number_alone(classes)
        if area.left == 0:
            self._above, self._left = (self._below[0].copy(), self._below[1].copy()), None
        columns = slice(area.left + 1, area.right + 1)
        for shift in (-1, 0, 1):
            moved = slice(columns.start + shift, columns.stop + shift)
            self._join((numbers[0], classes[0]), (self._above[0][moved], self._above[1][moved]))
        if self._left is not None:
            self._join_columns((numbers[:, 0], classes[:, 0]), self._left)
        self._left = (numbers[:, -1], classes[:, -1])
        self._below[0][columns], self._below[1][columns] = numbers[-1], classes[-1]
        return numbers.astype(np.uint32)

    def finish(self, min_area: int = 0) -> tuple[Numbers, NDArray[np.uint8], NDArray[np.int64]]:
        """Which preliminary numbers are one.

        Args:
            min_area: components of fewer pixels are dropped.

        Returns:
            the final number of every preliminary one, 1, 2, … in the order in which the components
            were met, 0 for those that are dropped; label and pixels of every final number, 0 first.
        """
        labels, pixels = np.concatenate(self._labels), np.concatenate(self._pixels)
        size = self._count + 1
        pairs = np.concatenate([np.zeros((2, 0), np.int64), *self._pairs], axis=1)
        graph = coo_array((np.ones(pairs.shape[1], bool), (pairs[0], pairs[1])), shape=(size, size))
        _, group = connected_components(graph, directed=False)
        sums = np.bincount(group, weights=pixels).astype(np.int64)
        _, first = np.unique(group, return_index=True)
        kept = np.sort(first[(sums >= min_area) & (first > 0)])
        number_of_group = np.zeros(len(first), np.uint32)
        number_of_group[group[kept]] = np.arange(1, len(kept) + 1)
        final_labels = np.concatenate([[0], labels[kept]]).astype(np.uint8)
        final_pixels = np.concatenate([[0], sums[group[kept]]]).astype(np.int64)
        return number_of_group[group], final_labels, final_pixels

    def _number_alone(self, classes: NDArray[np.uint8]) -> NDArray[np.int64]:
        numbers = np.zeros(classes.shape, np.int64)
        for label in np.unique(classes[classes > 0]):
            found, count = ndimage.label(classes == label, EIGHT)
            numbers[found > 0] = found[found > 0] + self._count
            self._labels.append(np.full(count, label, np.uint8))
            self._pixels.append(np.bincount(found.ravel(), minlength=count + 1)[1:])
            self._count += count
        return numbers

    def _join_columns(self, one: Line, before: Line) -> None:
        rows = len(one[0])
        for shift in (-1, 0, 1):
            here = slice(max(-shift, 0), rows - max(shift, 0))
            there = slice(max(shift, 0), rows + min(shift, 0))
            self._join((one[0][here], one[1][here]), (before[0][there], before[1][there]))

    def _join(self, one: Line, other: Line) -> None:
        same = (one[1] > 0) & (one[1] == other[1])
        if same.any():
            self._pairs.append(np.unique(np.stack([one[0][same], other[0][same]]), axis=1))
