"""Instances found by boxes, and those that are one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from monai_cobot.scenes.area import Area
from monai_cobot.scenes.masks import Mask, Part

MERGE_OVERLAP = 0.5
"""Share of the smaller of two masks of a class above which they are one instance."""


@dataclass(frozen=True)
class Instance:
    """One object.

    Attributes:
        label: of its class.
        score: the detector's, or None.
        order: the first of its boxes in the boxes' file.
        parts: masks, whose union it is.
        boxes: how many boxes found it.
        quality: the IoU that SAM predicts of its mask, or None where the network does not tell.
    """

    label: int
    score: float | None
    order: int
    parts: tuple[Part, ...]
    boxes: int = 1
    quality: float | None = None

    @cached_property
    def bounds(self) -> Area:
        """Where it may be."""
        bounds = self.parts[0].bounds
        for part in self.parts[1:]:
            bounds = bounds.around(part.bounds)
        return bounds

    @cached_property
    def pixels(self) -> int:
        """Its area."""
        return sum(int(self.mask(block).sum()) for block in self.bounds.blocks())

    def mask(self, area: Area) -> Mask:
        """Its mask (H, W) within an area."""
        found = self.parts[0].mask(area)
        for part in self.parts[1:]:
            found |= part.mask(area)
        return found

    def common_pixels(self, other: Instance) -> int:
        """How many pixels both have."""
        common = self.bounds.overlap(other.bounds)
        if common is None:
            return 0
        return sum(int((self.mask(b) & other.mask(b)).sum()) for b in common.blocks())


def bounds_tree(instances: Sequence[Instance]) -> shapely.STRtree:
    """Finds the instances that an area may hold: ``tree.query(area_box(area))``."""
    return shapely.STRtree([area_box(instance.bounds) for instance in instances])


def area_box(area: Area) -> shapely.Polygon:
    """An area as shapely's geometry, in pixels."""
    return shapely.box(area.left, area.top, area.right, area.bottom)


def merge_instances(
    instances: Sequence[Instance], overlap: float = MERGE_OVERLAP
) -> list[Instance]:
    """Unites what is one object: detections that tiles have cut, or that were given twice.

    Two instances of a class are one where their common pixels are more than ``overlap`` of the
    smaller one's; three are one where the first is one with the second and the second with the
    third. The union has the highest score and quality.

    Returns:
        In the order of the boxes' file.
    """
    sets = DisjointSet(range(len(instances)))
    tree = bounds_tree(instances)
    for one, instance in enumerate(instances):
        for other in tree.query(area_box(instance.bounds)).tolist():
            if other <= one or instances[other].label != instance.label:
                continue
            if not sets.connected(one, other) and _are_one(instance, instances[other], overlap):
                sets.merge(one, other)
    groups = [sorted(group) for group in sets.subsets()]
    return sorted(
        (_union([instances[n] for n in group]) for group in groups), key=lambda found: found.order
    )


class Painting:
    """Instances as a raster, numbered 1, 2, … in their order; smaller ones on top.

    Of two of one size the first is on top.
    """

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._instances, self._tree = instances, bounds_tree(instances)

    def __call__(self, area: Area) -> NDArray[np.uint32]:
        """Instance numbers (H, W) of an area, 0 where there is none."""
        painted = np.zeros(area.shape, np.uint32)
        places = self._tree.query(area_box(area)).tolist()
        for place in sorted(places, key=lambda n: (-self._instances[n].pixels, -n)):
            painted[self._instances[place].mask(area)] = place + 1
        return painted


def _are_one(one: Instance, other: Instance, overlap: float) -> bool:
    return one.common_pixels(other) > overlap * min(one.pixels, other.pixels)


def _union(group: Sequence[Instance]) -> Instance:
    scores = [instance.score for instance in group if instance.score is not None]
    qualities = [instance.quality for instance in group if instance.quality is not None]
    return Instance(
        label=group[0].label,
        score=max(scores, default=None),
        quality=max(qualities, default=None),
        order=min(instance.order for instance in group),
        parts=tuple(part for instance in group for part in instance.parts),
        boxes=sum(instance.boxes for instance in group),
    )
