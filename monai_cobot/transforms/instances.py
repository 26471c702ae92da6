"""The targets of a picture: from what its dataset says of them to masks.

An instance is a dictionary as `data/spec.py` has them: ``instance``, ``organ``, perhaps ``crowd``
and ``box``, and its mask as ``segmentation`` with ``size``, as ``mask_files``, or as ``index_mask``
with ``value``. Boxes are XYXY, slice frame, pixel edges, half open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco

from monai_cobot.errors import CobotError
from monai_cobot.transforms.images import read_mask

Instance: TypeAlias = Mapping[str, Any]
Size: TypeAlias = tuple[int, int]
Read: TypeAlias = Callable[[str], NDArray[np.integer]]


def targets(instances: Iterable[Instance]) -> list[Instance]:
    """Those that can be segmented: no crowd, and with a mask. In their order."""
    return [i for i in instances if not i.get("crowd") and not _MASKS.keys().isdisjoint(i)]


def instance_masks(instances: Sequence[Instance], size: Size) -> torch.Tensor:
    """Masks of some instances of one picture.

    An outline (``segmentation`` of polygons) that holds no pixel's centre keeps the pixel at its
    middle, so that no instance is lost.

    Args:
        instances: each with a mask.
        size: rows and columns (H, W) of the picture.

    Returns:
        (P, H, W) uint8, 0 or 1, slice frame, in the order of the instances. None is empty.

    Raises:
        CobotError: no mask or an empty one, a mask of another size, a file or an outline that
            cannot be read; the message names the instance and the file.
    """
    masks = torch.zeros(len(instances), *size, dtype=torch.uint8)
    for mask, found in zip(masks, each_mask(instances, size), strict=True):
        mask.copy_(torch.from_numpy(found))
    return masks


def each_mask(instances: Sequence[Instance], size: Size) -> Iterator[NDArray[np.uint8]]:
    """The masks (H, W) of :func:`instance_masks` one by one; raises what that does."""
    read = cache(read_mask)  # an index mask serves all instances of its picture
    for instance in instances:
        place = f"instance {instance.get('instance')} ({instance.get('organ')})"
        kinds = [kind for kind in _MASKS if kind in instance]
        if len(kinds) != 1:
            raise CobotError(
                f"{place} has {' and '.join(kinds) or 'no mask'}: give one of {', '.join(_MASKS)}"
            )
        found = _MASKS[kinds[0]](instance, size, read, place)
        if not found.any():
            raise CobotError(
                f"{place} has an empty mask{_source(instance)}: mend it or take it out"
            )
        yield found.astype(np.uint8)


def _from_segmentation(instance: Instance, size: Size, _: Read, place: str) -> NDArray[Any]:
    """COCO's polygons or run lengths, by COCO's own rasteriser."""
    outline = instance["segmentation"]
    if tuple(instance.get("size", size)) != size:
        raise CobotError(
            f"{place} is annotated for a picture of {tuple(instance['size'])} rows and columns, "
            f"this one has {size}: use the picture that was annotated"
        )
    try:
        if isinstance(outline, list) and any(len(polygon) < 6 for polygon in outline):
            raise ValueError("a polygon has three points or more")
        runs = coco.frPyObjects(outline, *size) if _is_raw(outline) else outline
        found: NDArray[Any] = coco.decode(coco.merge(runs) if isinstance(runs, list) else runs)
        if isinstance(outline, list) and not found.any():
            found = _middle(outline, size)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise CobotError(
            f"{place} has a segmentation that is neither polygons nor run lengths ({error}): "
            "mend it or take it out"
        ) from None
    if found.shape != size:
        raise CobotError(f"{place} has run lengths for {found.shape}, not for {size}: mend them")
    return found


def _from_files(instance: Instance, size: Size, read: Read, place: str) -> NDArray[Any]:
    """The union of all files' pixels other than 0."""
    found = np.zeros(size, bool)
    for path in instance["mask_files"]:
        found |= _sized(read(path), path, size, place) != 0
    return found


def _from_index(instance: Instance, size: Size, read: Read, place: str) -> NDArray[Any]:
    """The pixels of one value, of those whose centre lies in the box."""
    path = instance["index_mask"]
    found: NDArray[Any] = _sized(read(path), path, size, place) == instance["value"]
    if "box" in instance:
        x0, y0, x1, y1 = (max(math.ceil(edge - 0.5), 0) for edge in instance["box"])
        inside = np.zeros(size, bool)
        inside[y0:y1, x0:x1] = True
        found &= inside
    return found


_MASKS = {
    "segmentation": _from_segmentation,
    "mask_files": _from_files,
    "index_mask": _from_index,
}


def _is_raw(outline: Any) -> bool:
    """Polygons, or run lengths that are not compressed."""
    return isinstance(outline, list) or isinstance(outline["counts"], list)


def _middle(outline: Sequence[Sequence[float]], size: Size) -> NDArray[Any]:
    """The pixel at the middle of an outline's extent; none where that is outside."""
    corners = np.concatenate([np.asarray(polygon, float).reshape(-1, 2) for polygon in outline])
    column, row = np.floor((corners.min(axis=0) + corners.max(axis=0)) / 2).astype(int)
    found = np.zeros(size, np.uint8)
    if 0 <= row < size[0] and 0 <= column < size[1]:
        found[row, column] = 1
    return found


def _sized(pixels: NDArray[Any], path: str, size: Size, place: str) -> NDArray[Any]:
    if pixels.shape != size:
        raise CobotError(
            f"{path} has {pixels.shape} rows and columns, the picture of {place} has {size}: "
            "give the mask of this picture"
        )
    return pixels


def _source(instance: Instance) -> str:
    """Where its mask comes from, for messages."""
    files = instance.get("mask_files", [instance["index_mask"]] if "index_mask" in instance else [])
    return f" in {', '.join(map(str, files))}" if files else ""
