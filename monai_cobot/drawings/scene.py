"""One drawing from its seed and its number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from monai_cobot.drawings import degradations as degrade
from monai_cobot.drawings.looks import paint_ground, paint_objects
from monai_cobot.drawings.objects import random_objects, visible_masks
from monai_cobot.drawings.styles import STYLES

SMALLEST_AREA = 16
"""An object with fewer visible pixels is no target."""
LEAST_VISIBLE = 0.3
"""Nor is one of which less than this share is seen."""


@dataclass(frozen=True)
class Drawing:
    """A picture and the masks of its objects.

    Attributes:
        image: (3, h, w) uint8, the longer side as asked for.
        masks: (P, h, w) bool, P >= 1; they may overlap, where an object is part of another.
        style: its character's name.
    """

    image: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    style: str


def draw(seed: int, number: int, size: int = 256) -> Drawing:
    """Drawing ``number`` of the endless row that belongs to ``seed``; the same on every call.

    Args:
        seed: another seed is another row of drawings.
        number: 0, 1, 2, …
        size: longer side in pixels; the other one is at least 0.6 of it.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, number))))
    while True:
        drawing = _attempt(rng, size)
        if len(drawing.masks):
            return drawing


def _attempt(rng: Generator, size: int) -> Drawing:
    style = STYLES[rng.choice(len(STYLES), p=_shares())]
    objects = random_objects(rng, size)
    canvas = paint_ground(rng, size, style.look)
    canvas = paint_objects(rng, canvas, objects, style.look)
    covered = np.array([(drawn.coverage > 0.5).sum() for drawn in objects])
    canvas = np.clip(style.finish(rng, canvas, objects), 0, None)
    if rng.random() < 0.5:
        canvas = degrade.tone(rng, canvas, 0.25)
    if rng.random() < 0.08:
        canvas = 255 - np.clip(canvas, 0, 255)
    height, width = _sides(rng, size)
    masks = visible_masks(objects)[:, :height, :width]
    seen = masks.sum((1, 2))
    kept = (
        (seen >= SMALLEST_AREA) & (seen >= LEAST_VISIBLE * covered) & (seen < 0.95 * masks[0].size)
    )
    image = np.clip(np.rint(canvas[:height, :width]), 0, 255).astype(np.uint8)
    image = np.broadcast_to(np.moveaxis(image, 2, 0), (3, height, width))
    return Drawing(np.ascontiguousarray(image), masks[kept], style.name)


def _sides(rng: Generator, size: int) -> tuple[int, int]:
    """Height and width: square, wide or tall."""
    shorter = int(size * rng.uniform(0.6, 1.0))
    kind = rng.random()
    if kind < 0.4:
        return size, size
    return (shorter, size) if kind < 0.8 else (size, shorter)


def _shares() -> NDArray[np.float64]:
    shares = np.array([style.share for style in STYLES])
    normalised: NDArray[np.float64] = shares / shares.sum()
    return normalised
