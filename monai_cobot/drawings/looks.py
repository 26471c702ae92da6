"""How things look: levels, colours and textures of the ground and of the objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from monai_cobot.drawings.objects import DrawnObject
from monai_cobot.drawings.textures import random_texture, smooth

Canvas = NDArray[np.float32]
"""(size, size, channels), 0..255 but not yet clipped."""


@dataclass(frozen=True)
class Look:
    """Ranges from which a picture's levels are drawn, in grey levels of 0..255.

    Attributes:
        channels: 1 (grey) or 3.
        ground: lowest and highest mean of the ground.
        contrast: smallest and largest step between an object and what it lies on.
        roughness: largest deviation of the textures.
        brighter: how often an object is brighter than what it lies on.
        colourful: deviation between channels.
    """

    channels: int
    ground: tuple[float, float]
    contrast: tuple[float, float]
    roughness: float
    brighter: float = 0.5
    colourful: float = 0.0


def paint_ground(rng: Generator, size: int, look: Look) -> Canvas:
    """The ground: a level, a texture, and sometimes a few large regions of other levels.

    Returns:
        (size, size, look.channels), not clipped.
    """
    canvas = _region(rng, size, look, rng.uniform(*look.ground))
    for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.6 else 0):
        border = smooth(rng, size, rng.uniform(30, 160)) - rng.normal(0, 0.8)
        share = 1 / (1 + np.exp(-np.clip(border * rng.uniform(1.5, 60), -30, 30)))
        region = _region(rng, size, look, rng.uniform(*look.ground))
        canvas += (region - canvas) * share[..., None].astype(np.float32)
    return canvas


def paint_objects(rng: Generator, canvas: Canvas, objects: list[DrawnObject], look: Look) -> Canvas:
    """Paint the objects onto the ground in their order; those of one group look alike.

    Args:
        rng: where the numbers are from.
        canvas: the ground; it is not changed.
        objects: with the coverage of this canvas.
        look: the ranges of levels and textures.

    Returns:
        a canvas of the same shape, not clipped.
    """
    size = len(canvas)
    regions: dict[int, Canvas] = {}
    for drawn in objects:
        cover = drawn.coverage[..., None]
        if drawn.group not in regions:
            regions[drawn.group] = _region(rng, size, look, _level_beside(rng, canvas, cover, look))
        softness = rng.uniform(0.5, 4) if rng.random() < 0.2 else 0.0
        if softness:
            cover = ndimage.gaussian_filter(drawn.coverage, softness)[..., None]
        canvas = canvas + (_shaded(rng, regions[drawn.group], drawn) - canvas) * cover
        if rng.random() < 0.25:
            canvas = _outlined(rng, canvas, drawn)
    return canvas


def _region(rng: Generator, size: int, look: Look, level: float) -> Canvas:
    """A level with a texture and a colour."""
    rough = look.roughness * rng.random() ** 1.5
    region = level + rough * random_texture(rng, size)[..., None]
    colour = rng.normal(0, look.colourful, look.channels) if look.channels > 1 else np.zeros(1)
    if look.channels > 1 and rng.random() < 0.3:
        texture = random_texture(rng, size)[..., None]
        colour = colour + texture * rng.normal(0, look.colourful / 3, 3)
    painted: Canvas = (region + colour).astype(np.float32)
    return painted


def _level_beside(rng: Generator, canvas: Canvas, cover: Canvas, look: Look) -> float:
    """A level that differs from what the object lies on by the look's contrast."""
    inside = cover[..., 0] > 0.5
    below = float(canvas[inside].mean()) if inside.any() else 128.0
    low, high = np.log(look.contrast)
    step = float(np.exp(rng.uniform(low, high)))
    step = step if rng.random() < look.brighter else -step
    if not 0 <= below + step <= 255:  # no room on that side
        step = -step
    return float(np.clip(below + step, 0, 255))


def _shaded(rng: Generator, region: Canvas, drawn: DrawnObject) -> Canvas:
    """Light from one side, or a rim that is darker or brighter than the middle."""
    kind = rng.random()
    if kind < 0.6:
        return region
    size = len(region)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    across = (columns - drawn.centre[0]) / drawn.half
    down = (rows - drawn.centre[1]) / drawn.half
    if kind < 0.8:
        angle = rng.uniform(0, 2 * np.pi)
        light = np.clip(across * np.cos(angle) + down * np.sin(angle), -1.2, 1.2)
    else:
        light = np.clip(across**2 + down**2, 0, 1.5)
    lit: Canvas = region + (rng.normal(0, 18) * light[..., None]).astype(np.float32)
    return lit


def _outlined(rng: Generator, canvas: Canvas, drawn: DrawnObject) -> Canvas:
    """A line along the border."""
    blurred = ndimage.gaussian_filter(drawn.coverage, rng.uniform(0.6, 1.6))
    line = np.clip(4 * blurred * (1 - blurred), 0, 1)[..., None]
    outlined: Canvas = canvas + np.float32(rng.normal(0, 40)) * line
    return outlined
