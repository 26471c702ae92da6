"""Polygons of masks, exactly along their pixels' edges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.features import shapes

from monai_cobot.scenes.area import Area
from monai_cobot.scenes.scene import Scene


def block_polygons(numbers: NDArray[Any], area: Area) -> dict[int, list[Any]]:
    """Polygons of every number of a block (H, W), in pixels of the scene; 0 has none."""
    found: dict[int, list[Any]] = {}
    values = numbers.astype(np.int32)
    moved = Affine.translation(area.left, area.top)
    for geometry, value in shapes(values, mask=values > 0, connectivity=4, transform=moved):
        found.setdefault(int(value), []).append(shapely.geometry.shape(geometry))
    return found


def whole_polygon(parts: Iterable[Any], scene: Scene) -> Any:
    """The union of an object's polygons (pixels), in map coordinates.

    Returns:
        A valid Polygon or MultiPolygon; outer rings run counterclockwise, holes clockwise
        (RFC 7946). Corners are the pixels'; there are none on straight edges.
    """
    union = shapely.simplify(shapely.union_all(list(parts)), 0)
    return shapely.orient_polygons(shapely.transform(union, scene.to_map))
