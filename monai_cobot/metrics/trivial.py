"""What the prompts alone would answer: the filled box and the ellipse inscribed in it.

A model that is given a box from the truth starts from a good answer; these two say how good.
They are scored, written and drawn like any method. All boxes here are in the slice frame:
(P, 4) XYXY, x = column, y = row, pixel edges, half open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monai_cobot.errors import CobotError

Masks = NDArray[np.bool_]


def filled_box(boxes: ArrayLike, size: tuple[int, int]) -> Masks:
    """Fill each box: the pixels whose centre lies in it, at least the one at its middle.

    Args:
        boxes: (P, 4) XYXY, slice frame, pixel edges; whole numbers give ``mask[y0:y1, x0:x1]``.
        size: (H, W) of the slice.

    Returns:
        (P, H, W) masks.
    """
    x0, y0, x1, y1 = _edges(boxes)
    rows, columns = _centres(size)
    inside = (columns >= x0) & (columns < x1) & (rows >= y0) & (rows < y1)
    return _never_empty(inside, boxes)


def inscribed_ellipse(boxes: ArrayLike, size: tuple[int, int]) -> Masks:
    """Fill the axis-parallel ellipse that touches the four sides of each box.

    Args:
        boxes: (P, 4) XYXY, slice frame, pixel edges.
        size: (H, W) of the slice.

    Returns:
        (P, H, W) masks: the pixels whose centre lies in the ellipse, at least the middle one.
    """
    x0, y0, x1, y1 = _edges(boxes)
    rows, columns = _centres(size)
    across = (2 * columns - x0 - x1) / np.maximum(x1 - x0, np.finfo(float).tiny)
    down = (2 * rows - y0 - y1) / np.maximum(y1 - y0, np.finfo(float).tiny)
    return _never_empty(np.hypot(across, down) <= 1.0, boxes)


TRIVIAL_ANSWERS: Mapping[str, Callable[[ArrayLike, tuple[int, int]], Masks]] = {
    "filled_box": filled_box,
    "ellipse": inscribed_ellipse,
}


def paint(masks: Masks, organs: ArrayLike) -> NDArray[np.uint8]:
    """Put masks into one label map, the largest first, so that the smaller ones stay visible.

    Args:
        masks: (P, H, W).
        organs: (P,) labels, 1 to 255.

    Returns:
        (H, W) label map; masks of one size are painted in their order.
    """
    labels = np.asarray(organs)
    painted = np.zeros(masks.shape[1:], dtype=np.uint8)
    areas = masks.reshape(len(masks), -1).sum(axis=1)
    for index in np.argsort(-areas, kind="stable"):
        painted[masks[index]] = labels[index]
    return painted


def trivial_masks(boxes: ArrayLike, size: tuple[int, int], kind: str) -> Masks:
    """Answer a picture from its boxes, each on its own.

    Args:
        boxes: (P, 4) XYXY, slice frame, pixel edges.
        size: (H, W) of the picture.
        kind: `filled_box` or `ellipse`.

    Returns:
        (P, H, W) masks.

    Raises:
        CobotError: an unknown kind.
    """
    if kind not in TRIVIAL_ANSWERS:
        raise CobotError(f"no trivial answer is called {kind!r}: choose {list(TRIVIAL_ANSWERS)}")
    return TRIVIAL_ANSWERS[kind](boxes, size)


def trivial_volume(
    prompts: Mapping[int, tuple[ArrayLike, ArrayLike]], shape: tuple[int, int, int], kind: str
) -> NDArray[np.uint8]:
    """Answer a whole volume from its prompts.

    Args:
        prompts: slice number -> (boxes (P, 4) in the slice frame, organs (P,)).
        shape: (Z, H, W) of the stack of slices.
        kind: `filled_box` or `ellipse`.

    Returns:
        (Z, H, W) label map; slices without a prompt are background.

    Raises:
        CobotError: an unknown kind, or a prompt on a slice that the volume does not have.
    """
    if kind not in TRIVIAL_ANSWERS:
        raise CobotError(f"no trivial answer is called {kind!r}: choose {list(TRIVIAL_ANSWERS)}")
    volume = np.zeros(shape, dtype=np.uint8)
    for z, (boxes, organs) in prompts.items():
        if not 0 <= z < shape[0]:
            raise CobotError(
                f"a prompt is on slice {z}, the volume has slices 0 to {shape[0] - 1}: give "
                "prompts that belong to this volume"
            )
        if len(np.asarray(organs)):
            volume[z] = paint(trivial_masks(boxes, shape[1:], kind), organs)
    return volume


def _edges(boxes: ArrayLike) -> tuple[NDArray[Any], ...]:
    """x0, y0, x1, y1, each (P, 1, 1)."""
    return tuple(np.asarray(boxes, dtype=float).reshape(-1, 4).T[:, :, None, None])


def _centres(size: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Row (H, 1) and column (1, W) coordinates of the pixels' centres."""
    return np.arange(size[0])[:, None] + 0.5, np.arange(size[1])[None, :] + 0.5


def _never_empty(masks: Masks, boxes: ArrayLike) -> Masks:
    """Give a mask that is thinner than a pixel the pixel at the middle of its box."""
    height, width = masks.shape[1:]
    for index in np.flatnonzero(~masks.any(axis=(1, 2))):
        x0, y0, x1, y1 = np.asarray(boxes, dtype=float).reshape(-1, 4)[index]
        row, column = int((y0 + y1) // 2), int((x0 + x1) // 2)
        masks[index, np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] = True
    return masks
