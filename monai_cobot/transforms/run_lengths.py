"""Masks as COCO's compressed run lengths (RLE), which take a small part of their memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

RunLengths: TypeAlias = dict[str, Any]
"""``{"size": [H, W], "counts": text}``, as JSON can hold it; column after column, slice frame."""


def encode_masks(masks: NDArray[Any]) -> list[RunLengths]:
    """Run lengths of masks (N, H, W), slice frame; what is not 0 belongs to a mask."""
    return [_as_text(coco.encode(np.asfortranarray(mask != 0, dtype=np.uint8))) for mask in masks]


def decode_masks(runs: Sequence[RunLengths], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Masks (N, H, W) of 0 and 1, slice frame, of their run lengths.

    Args:
        runs: N of them, all of this size.
        size: rows and columns (H, W), for the shape where N is 0.
    """
    masks = np.zeros((len(runs), *size), np.uint8)
    for mask, run in zip(masks, runs, strict=True):
        mask[:] = coco.decode(run)
    return masks


def mask_area(runs: RunLengths) -> int:
    """Number of its pixels."""
    return int(coco.area(runs))


def coco_box(runs: RunLengths) -> list[float]:
    """COCO's box around a mask: x, y, width, height in pixels; all 0 for an empty one."""
    return [float(value) for value in coco.toBbox(runs)]


def _as_text(runs: dict[str, Any]) -> RunLengths:
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode("ascii")}
