"""What was found in a scene: a painter for the rasters, and an outline for every instance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray

from monai_cobot.scenes.area import Area
from monai_cobot.scenes.blending import Blocks
from monai_cobot.scenes.components import Components
from monai_cobot.scenes.instances import Instance, Painting
from monai_cobot.scenes.polygons import block_polygons
from monai_cobot.scenes.scene import Scene
from monai_cobot.scenes.writing import raster, window


@dataclass(frozen=True)
class Described:
    """An instance as the GeoJSON has it: its label, score, area in pixels and predicted quality."""

    label: int
    score: float | None
    pixels: int
    quality: float | None = None


class Found(Protocol):
    """All instances of a scene; instance n is ``described[n - 1]``."""

    described: Sequence[Described]

    def paint(self, area: Area) -> NDArray[np.uint32]:
        """Instance numbers (H, W) of an area."""

    def outlines(self) -> Iterator[list[Any]]:
        """Polygons in pixels of every instance, whose union it is; after all was painted."""


class FoundByBoxes:
    """Instances with masks of their own, which may overlap."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._instances = instances
        self.paint = Painting(instances)
        self.described: Sequence[Described] = [
            Described(found.label, found.score, found.pixels, found.quality) for found in instances
        ]

    def outlines(self) -> Iterator[list[Any]]:
        """Of the whole masks, also where smaller instances lie on them."""
        for instance in self._instances:
            parts: list[Any] = []
            for block in instance.bounds.blocks():
                parts += block_polygons(instance.mask(block), block).get(1, [])
            yield parts


class FoundByClasses:
    """Connected components of a class map, whose preliminary numbers are in a raster."""

    def __init__(
        self,
        numbers: Any,
        final: NDArray[np.uint32],
        labels: NDArray[np.uint8],
        pixels: NDArray[np.int64],
    ) -> None:
        self._numbers, self._final = numbers, final
        self._parts: dict[int, list[Any]] = {}
        self.described: Sequence[Described] = [
            Described(label, None, count)
            for label, count in zip(labels[1:].tolist(), pixels[1:].tolist(), strict=True)
        ]

    def paint(self, area: Area) -> NDArray[np.uint32]:
        """Instance numbers of an area; their polygons are kept for :meth:`outlines`."""
        numbers: NDArray[np.uint32] = self._final[self._numbers.read(1, window=window(area))]
        for number, parts in block_polygons(numbers, area).items():
            self._parts.setdefault(number, []).extend(parts)
        return numbers

    def outlines(self) -> Iterator[list[Any]]:
        """Of all that was painted."""
        for number in range(1, len(self.described) + 1):
            yield self._parts.pop(number)


@contextmanager
def found_by_classes(
    blocks: Blocks, scene: Scene, scratch: Path, min_area: int = 0
) -> Iterator[FoundByClasses]:
    """The connected components of a class map, across its blocks.

    Args:
        blocks: areas and labels, row by row over the scene's width.
        scene: gives the size.
        scratch: folder for a raster of preliminary numbers, read until the context ends.
        min_area: components of fewer pixels are dropped.
    """
    file = scratch / "numbers.tif"
    components = Components(scene.area.shape[1])
    with raster(file, scene, "uint32") as numbers:
        for area, classes in blocks:
            numbers.write(components.number(classes, area), 1, window=window(area))
    with rasterio.open(file) as numbers:
        yield FoundByClasses(numbers, *components.finish(min_area))


def areas_by_class(described: Sequence[Described], names: Mapping[str, int]) -> dict[str, Any]:
    """Class to number of instances and sum of their pixels, of the classes that were found."""
    found: dict[str, Any] = {}
    for name, label in names.items():
        own = [entry.pixels for entry in described if entry.label == label]
        if own:
            found[name] = {"instances": len(own), "pixels": sum(own)}
    return found
