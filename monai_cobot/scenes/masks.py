"""Masks of a part of a scene, kept small: run lengths, or logits of a lower resolution."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from monai_cobot.scenes.area import Area
from monai_cobot.scenes.scene import Scene

Mask = NDArray[np.bool_]


class Part(Protocol):
    """A mask, empty outside of ``bounds``."""

    @property
    def bounds(self) -> Area:
        """Where it may be set."""

    def mask(self, area: Area) -> Mask:
        """The mask (H, W) within an area, at the scene's resolution."""


class ExactMask:
    """A mask of the scene's own pixels, as COCO's run lengths.

    Args:
        mask: (H, W), somewhere True.
        area: where it lies in the scene.
    """

    def __init__(self, mask: Mask, area: Area) -> None:
        self.bounds = _tight(mask, area)
        inner = mask[self.bounds.within(area)]
        self._runs: Any = coco.encode(np.asfortranarray(inner, np.uint8))

    def mask(self, area: Area) -> Mask:
        """See :class:`Part`."""
        found = np.zeros(area.shape, bool)
        common = self.bounds.overlap(area)
        if common is not None:
            inner = coco.decode(self._runs).astype(bool)
            found[common.within(area)] = inner[common.within(self.bounds)]
        return found


class CoarseMask:
    """Logits of an area that was read at a lower resolution.

    At the scene's resolution they are interpolated (bilinear, pixel centres, as
    ``torch.nn.functional.interpolate`` with ``align_corners=False``) and thresholded after that;
    pixels without data are taken out.

    Args:
        logits: (h, w), above 0 somewhere.
        area: where they lie in the scene, (H, W) of its pixels.
        scene: tells where there are data.
    """

    def __init__(self, logits: NDArray[np.float32], area: Area, scene: Scene) -> None:
        self._scene, self._area, self._size = scene, area, logits.shape
        self._steps = (area.shape[0] / logits.shape[0], area.shape[1] / logits.shape[1])
        inner = _tight(logits > 0, Area(0, 0, *logits.shape))
        # A ring of two more: interpolation looks at one neighbour, and sets pixels up to it.
        self._kept = Area(inner.top - 2, inner.left - 2, inner.bottom + 2, inner.right + 2).overlap(
            Area(0, 0, *logits.shape)
        ) or Area(0, 0, *logits.shape)
        self._logits = logits[self._kept.within(Area(0, 0, *logits.shape))].copy()
        self.bounds = (
            Area(
                area.top + int((inner.top - 1) * self._steps[0]),
                area.left + int((inner.left - 1) * self._steps[1]),
                area.top + int((inner.bottom + 1) * self._steps[0]) + 1,
                area.left + int((inner.right + 1) * self._steps[1]) + 1,
            ).overlap(area)
            or area
        )

    def mask(self, area: Area) -> Mask:
        """See :class:`Part`."""
        found = np.zeros(area.shape, bool)
        common = self.bounds.overlap(area)
        if common is not None:
            rows = self._weights(0, common.top - self._area.top, common.bottom - self._area.top)
            columns = self._weights(
                1, common.left - self._area.left, common.right - self._area.left
            )
            smooth = rows @ self._logits @ columns.T
            found[common.within(area)] = (smooth > 0) & self._scene.valid(common)
        return found

    def _weights(self, axis: int, first: int, last: int) -> NDArray[np.float32]:
        """Weights (pixels first to last, kept logits) of the bilinear interpolation on one axis."""
        offset = (self._kept.top, self._kept.left)[axis]
        count = self._logits.shape[axis]
        at = (np.arange(first, last) + 0.5) / self._steps[axis] - 0.5
        at = np.clip(np.clip(at, 0, self._size[axis] - 1) - offset, 0, count - 1)
        below = np.floor(at).astype(int)
        weights = np.zeros((last - first, count), np.float32)
        pixels = np.arange(last - first)
        weights[pixels, below] = 1 - (at - below)
        weights[pixels, np.minimum(below + 1, count - 1)] += at - below
        return weights


def _tight(mask: Mask, area: Area) -> Area:
    """The area of a mask's pixels that are set."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return Area(
        area.top + int(rows[0]),
        area.left + int(columns[0]),
        area.top + int(rows[-1]) + 1,
        area.left + int(columns[-1]) + 1,
    )
