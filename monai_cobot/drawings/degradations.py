"""What a camera or a scanner does to a picture.

Canvases are (size, size, channels), grey levels of 0..255 that need not be clipped yet. No function
changes the canvas that it is given, nor its shape; lengths are in pixels. What a device does not
see of an object is taken out of its coverage.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from monai_cobot.drawings.objects import DrawnObject
from monai_cobot.drawings.textures import grain, smooth, stripes, white

Canvas = NDArray[np.float32]


def blur(canvas: Canvas, sigma: float) -> Canvas:
    """Blur by a Gaussian of ``sigma`` pixels."""
    blurred: Canvas = ndimage.gaussian_filter(canvas, (sigma, sigma, 0))
    return blurred


def add_noise(rng: Generator, canvas: Canvas, deviation: float, sigma: float) -> Canvas:
    """Additive noise, correlated over ``sigma`` pixels, as after reconstruction of a CT."""
    noise = grain(rng, len(canvas), sigma, sigma) if sigma > 0.2 else white(rng, len(canvas))
    return canvas + np.float32(deviation) * noise[..., None]


def rician(rng: Generator, canvas: Canvas, deviation: float) -> Canvas:
    """The magnitude of a complex signal with noise in both parts, as in MR."""
    real, imaginary = (deviation * white(rng, len(canvas))[..., None] for _ in range(2))
    magnitude: Canvas = np.hypot(canvas + real, imaginary)
    return magnitude


def bias_field(rng: Generator, canvas: Canvas, strength: float) -> Canvas:
    """A slow change of brightness over the picture: a factor of e to ± twice ``strength``."""
    field = smooth(rng, len(canvas), rng.uniform(90, 250))
    changed: Canvas = canvas * np.exp(np.float32(strength) * np.clip(field, -2, 2))[..., None]
    return changed


def speckle(
    rng: Generator, canvas: Canvas, strength: float, sigma_y: float, sigma_x: float
) -> Canvas:
    """Multiplicative interference of many echoes (a Rayleigh field), as in ultrasound and sonar."""
    real, imaginary = (grain(rng, len(canvas), sigma_y, sigma_x) for _ in range(2))
    mean = np.float32(np.sqrt(np.pi / 2))
    field = np.hypot(real, imaginary).astype(np.float32, copy=False) / mean
    changed: Canvas = canvas * (1 + np.float32(strength) * (field - 1))[..., None]
    return changed


def shadows_below(
    rng: Generator, canvas: Canvas, objects: list[DrawnObject], low: float, high: float
) -> Canvas:
    """Darker (or brighter, factor above 1) behind objects, away from the top of the picture."""
    for drawn in objects:
        if rng.random() < 0.5:
            behind = np.maximum.accumulate(drawn.coverage, axis=0) * (drawn.coverage < 0.5)
            length = rng.uniform(0.5, 8) * drawn.half
            rows = np.arange(len(canvas), dtype=np.float32)[:, None]
            fade = np.exp(-np.maximum(rows - drawn.centre[1], 0) / length)
            soft = ndimage.gaussian_filter(behind * fade, rng.uniform(0.5, 3))
            canvas = canvas * (1 + (rng.uniform(low, high) - 1) * soft[..., None])
    return canvas


def cast_shadows(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    """Every object throws a shadow in one direction onto what is beside it."""
    angle, factor = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.85)
    covered = np.max([drawn.coverage for drawn in objects], axis=0)
    shade = np.zeros_like(covered)
    for drawn in objects:
        shift = np.array([np.sin(angle), np.cos(angle)]) * drawn.half * rng.uniform(0.1, 0.5)
        moved = ndimage.shift(drawn.coverage, np.rint(shift), order=0)
        shade = np.maximum(shade, moved)
    shade = ndimage.gaussian_filter(shade, rng.uniform(0.3, 2)) * (1 - covered)
    shaded: Canvas = canvas * (1 - (1 - factor) * shade[..., None])
    return shaded


def attenuate(rng: Generator, canvas: Canvas) -> Canvas:
    """Brightness that falls, or is over-compensated, with depth."""
    depth = np.linspace(0, 1, len(canvas), dtype=np.float32)[:, None, None]
    changed: Canvas = canvas * np.exp(rng.normal(0, 0.6) * depth)
    return changed


def fan(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    """Black outside of the sector that a curved probe or a sonar sees, and no objects there."""
    size = len(canvas)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    x = columns - size * rng.uniform(0.35, 0.65)
    y = rows + size * rng.uniform(0.05, 0.6)
    inside = np.abs(np.arctan2(x, y)) < rng.uniform(0.35, 0.9)
    for drawn in objects:
        drawn.coverage = drawn.coverage * inside
    seen: Canvas = canvas * inside[..., None]
    return seen


def add_stripes(rng: Generator, canvas: Canvas, strength: float) -> Canvas:
    """Bands of interference over the whole picture."""
    return canvas + np.float32(strength) * stripes(rng, len(canvas))[..., None]


def tone(rng: Generator, canvas: Canvas, spread: float) -> Canvas:
    """Gamma and brightness of the whole picture; ``spread`` is the deviation of log gamma."""
    bright = np.clip(canvas, 0, 255) / 255
    changed = 255 * bright ** np.exp(rng.normal(0, spread)) + rng.normal(0, 40 * spread)
    toned: Canvas = changed.astype(np.float32)
    return toned


def coarsen(rng: Generator, canvas: Canvas, least: float) -> Canvas:
    """Lost resolution: made smaller, to ``least`` of the side at most, and larger again."""
    size = len(canvas)
    small = max(16, int(size * rng.uniform(least, 1.0)))
    channels = [
        np.asarray(Image.fromarray(c).resize((small, small), Image.Resampling.BOX).resize(
            (size, size), Image.Resampling.BICUBIC))
        for c in np.moveaxis(canvas, 2, 0)
    ]  # fmt: skip
    return np.stack(channels, 2)


def jpeg(rng: Generator, canvas: Canvas) -> Canvas:
    """The blocks and ringing of a JPEG file."""
    picture = np.clip(canvas, 0, 255).astype(np.uint8)
    image = Image.fromarray(picture if picture.shape[2] == 3 else picture[..., 0])
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=int(rng.integers(25, 92)))
    read = np.asarray(Image.open(stored), dtype=np.float32)
    return read if read.ndim == 3 else read[..., None]
