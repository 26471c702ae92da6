"""One outline of COCO's format: polygons or run lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from pycocotools import mask as coco_mask

from monai_cobot.errors import CobotError

Outline: TypeAlias = list[list[float]] | dict[str, Any]


def checked_segmentation(outline: object, size: tuple[int, int], where: str) -> Outline | None:
    """The usable part of an annotation's ``segmentation``.

    Args:
        outline: a list of polygons [x0, y0, x1, y1, …] (slice frame, pixels), or run lengths
            {"counts": …, "size": [H, W]}, compressed or not.
        size: (H, W) of the picture.
        where: file and annotation, for messages.

    Returns:
        the polygons of three points and more, if one of them reaches into the picture; the run
        lengths, if they hold a pixel; else None.

    Raises:
        CobotError: neither polygons nor run lengths, or run lengths of another size.
    """
    if not outline:
        return None
    if isinstance(outline, Mapping):
        return _run_lengths(outline, size, where)
    if not isinstance(outline, Sequence) or isinstance(outline, str):
        raise CobotError(f"{where} has the segmentation {outline!r:.80}: give polygons or RLE")
    polygons = [polygon for polygon in outline if len(_points(polygon, where)) > 2]
    return polygons if any(_touches(polygon, size) for polygon in polygons) else None


def _points(polygon: object, where: str) -> Any:
    """Points (N, 2)."""
    try:
        numbers = np.array(polygon, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.full(1, np.nan)
    if numbers.ndim != 1 or numbers.size % 2 or not np.isfinite(numbers).all():
        raise CobotError(
            f"{where} has the polygon {polygon!r:.80}: give a list of numbers x0, y0, x1, y1, …"
        )
    return numbers.reshape(-1, 2)


def _touches(polygon: object, size: tuple[int, int]) -> bool:
    """Whether the extent of a polygon overlaps the picture."""
    points = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    return bool((points.max(axis=0) > 0).all() and (points.min(axis=0) < size[::-1]).all())


def _run_lengths(
    outline: Mapping[str, Any], size: tuple[int, int], where: str
) -> dict[str, Any] | None:
    if list(outline.get("size") or ()) != list(size):
        raise CobotError(
            f"{where} has run lengths of the size {outline.get('size')}, its image has "
            f"{list(size)} (rows, columns): mend one of them"
        )
    try:
        counts = outline["counts"]
        if isinstance(counts, list) and sum(counts) != size[0] * size[1]:
            raise ValueError(f"{sum(counts)} pixels in all")
        runs = coco_mask.frPyObjects(outline, *size) if isinstance(counts, list) else outline
        return dict(outline) if int(coco_mask.area(runs)) else None
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise CobotError(f"{where} has unreadable run lengths ({error}): mend them") from None
