"""Random fields: what fills a region, and what lies over the whole picture.

All are (size, size) float32 with mean about 0 and deviation about 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Field = NDArray[np.float32]


def white(rng: Generator, size: int) -> Field:
    """Independent in every pixel."""
    return rng.standard_normal((size, size), dtype=np.float32)


def smooth(rng: Generator, size: int, scale: float) -> Field:
    """Changes over about ``scale`` pixels."""
    coarse = max(3, int(np.ceil(size / max(scale, 1))) + 2)
    return _normalised(_enlarged(white(rng, coarse), size))


def grain(rng: Generator, size: int, sigma_y: float, sigma_x: float) -> Field:
    """White noise blurred by so many pixels down and across."""
    return _normalised(ndimage.gaussian_filter(white(rng, size), (sigma_y, sigma_x)))


def fractal(rng: Generator, size: int) -> Field:
    """All scales at once, the coarse ones stronger, as in clouds, ground and tissue."""
    field = np.zeros((size, size), np.float32)
    weight, ratio = 1.0, rng.uniform(0.4, 0.8)
    for scale in (96, 48, 24, 12, 6, 3):
        field += weight * smooth(rng, size, scale)
        weight *= ratio
    return _normalised(field)


def stripes(rng: Generator, size: int) -> Field:
    """Parallel bands of one direction, straight or a little bent, sharp or soft."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(3), np.log(40)))
    along = rows * np.sin(angle) + columns * np.cos(angle)
    along += rng.uniform(0, 6) * smooth(rng, size, 60)
    wave = np.sin(2 * np.pi * along / period)
    return _normalised(np.tanh(wave * rng.uniform(0.5, 6)).astype(np.float32))


def cells(rng: Generator, size: int) -> Field:
    """Patches with a level each, as fields, tiles or granules."""
    count = int(rng.integers(8, 120))
    rows, columns = rng.integers(0, size, (2, count))
    seeds = np.ones((size, size), bool)
    seeds[rows, columns] = False
    nearest = ndimage.distance_transform_edt(seeds, return_distances=False, return_indices=True)
    levels = white(rng, size)
    return _normalised(levels[nearest[0], nearest[1]])


def gradient(rng: Generator, size: int) -> Field:
    """A ramp in a random direction."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    return _normalised(rows * np.float32(np.sin(angle)) + columns * np.float32(np.cos(angle)))


def flat(rng: Generator, size: int) -> Field:
    """Nothing at all."""
    return np.zeros((size, size), np.float32)


KINDS: tuple[tuple[Callable[[Generator, int], Field], float], ...] = (
    (flat, 0.2),
    (fractal, 0.3),
    (lambda rng, size: smooth(rng, size, rng.uniform(4, 60)), 0.15),
    (lambda rng, size: grain(rng, size, *rng.uniform(0.4, 2.5, 2)), 0.15),
    (stripes, 0.07),
    (cells, 0.05),
    (gradient, 0.08),
)


def random_texture(rng: Generator, size: int) -> Field:
    """A field of a random kind."""
    weights = np.array([weight for _, weight in KINDS])
    kind = KINDS[rng.choice(len(KINDS), p=weights / weights.sum())][0]
    return kind(rng, size)


def _enlarged(field: Field, size: int) -> Field:
    resized = Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float32)


def _normalised(field: Field) -> Field:
    scaled: Field = (field - field.mean()) / (field.std() + 1e-6)
    return scaled
