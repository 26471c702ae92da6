"""Outlines of many kinds, and the masks that they fill.

A kind is a function of the generator alone. Its outlines are of any size around the origin;
:func:`random_outlines` turns, stretches and scales them, :func:`fill` puts them on a canvas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points = NDArray[np.float64]
Outlines = list[tuple[Points, bool]]
"""Polygons in turn: (n, 2) points x, y around the origin, and whether they fill (or cut out)."""

OVERSAMPLING = 2
"""Subpixels along a side of a pixel: coverage comes in quarters."""


def blob(rng: Generator) -> Outlines:
    """Smooth and star-shaped: a circle whose radius a few random waves change."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    orders = np.arange(1, rng.integers(3, 9))
    spread = rng.uniform(0.02, 0.5) / orders
    waves = rng.normal(0, spread) @ np.cos(np.outer(orders, angle) + _phases(rng, len(orders)))
    radius = np.maximum(1 + waves, 0.15)
    return [(_polar(radius, angle), True)]


def lobed(rng: Generator) -> Outlines:
    """Ragged: finer waves of the radius, as of a spiculated or lobulated outline."""
    angle = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    orders = np.arange(2, rng.integers(9, 20))
    waves = rng.normal(0, 0.12, len(orders)) @ np.cos(
        np.outer(orders, angle) + _phases(rng, len(orders))
    )
    return [(_polar(np.maximum(1 + waves, 0.2), angle), True)]


def polygon(rng: Generator) -> Outlines:
    """A few straight sides between corners at random angles, often concave."""
    corners = int(rng.integers(3, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    return [(_polar(rng.uniform(0.4, 1.0, corners), angle), True)]


def rectangle(rng: Generator) -> Outlines:
    """A rectangle, sometimes with a corner taken away or rounded ends."""
    ratio = rng.uniform(0.3, 1.0)
    box = np.array([[-1, -ratio], [1, -ratio], [1, ratio], [-1, ratio]])
    kind = rng.random()
    if kind < 0.25:
        cut = rng.uniform(-0.5, 0.5, 2) * (1, ratio)
        box = np.array(
            [[-1, -ratio], [1, -ratio], [1, cut[1]], [cut[0], cut[1]], [cut[0], ratio], [-1, ratio]]
        )
    elif kind < 0.5:
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        power = rng.uniform(0.2, 0.9)
        circle = np.stack([np.cos(angle), np.sin(angle)], 1)
        box = np.sign(circle) * np.abs(circle) ** power * (1, ratio)
    return [(box, True)]


def tube(rng: Generator) -> Outlines:
    """A winding band of changing width."""
    steps = 40
    turn = np.cumsum(rng.normal(0, rng.uniform(0.02, 0.3), steps)) + rng.normal(0, 0.05)
    line = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], 1), 0)
    line -= line.mean(0)
    line /= np.abs(line).max()
    width = rng.uniform(0.04, 0.25) * (1 + 0.4 * np.sin(np.linspace(0, rng.uniform(1, 9), steps)))
    return [(_band(line, width * _tapered(rng, steps)), True)]


def rod(rng: Generator) -> Outlines:
    """Straight, long and thin, with tapered or blunt ends."""
    line = np.stack([np.linspace(-1, 1, 24), np.zeros(24)], 1)
    return [(_band(line, rng.uniform(0.05, 0.3) * _tapered(rng, 24)), True)]


def ring(rng: Generator) -> Outlines:
    """A blob with a hole of its own form."""
    (outer, _), (inner, _) = blob(rng)[0], blob(rng)[0]
    return [(outer, True), (inner * rng.uniform(0.3, 0.75), False)]


def branching(rng: Generator) -> Outlines:
    """Limbs of several widths around a body, symmetric or not: crosses, stars, figures."""
    body = blob(rng)[0][0] * (rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.8))
    parts: Outlines = [(body, True)]
    mirrored = rng.random() < 0.5
    for _ in range(int(rng.integers(2, 6))):
        root = rng.uniform(-0.3, 0.3, 2)
        end = rng.uniform(0.5, 1.1) * _direction(rng)
        bend = (root + end) / 2 + rng.normal(0, 0.15, 2)
        at = np.linspace(0, 1, 16)[:, None]
        line = (1 - at) ** 2 * root + 2 * at * (1 - at) * bend + at**2 * end
        limb = _band(line, rng.uniform(0.05, 0.2) * np.linspace(1, rng.uniform(0.3, 1), 16))
        parts.append((limb, True))
        if mirrored:
            parts.append((limb * (-1, 1), True))
    return parts


def cluster(rng: Generator) -> Outlines:
    """Two to four overlapping shapes that are one object."""
    parts: Outlines = []
    for _ in range(int(rng.integers(2, 5))):
        kind = (blob, polygon, rectangle)[rng.integers(3)]
        points = kind(rng)[0][0] @ _rotation(rng.uniform(0, 2 * np.pi))
        parts.append((points * rng.uniform(0.3, 0.7) + rng.uniform(-0.5, 0.5, 2), True))
    return parts


FAMILIES: Mapping[Callable[[Generator], Outlines], float] = {
    blob: 0.24,
    lobed: 0.10,
    polygon: 0.10,
    rectangle: 0.14,
    tube: 0.08,
    rod: 0.07,
    ring: 0.05,
    branching: 0.12,
    cluster: 0.10,
}
"""How often each kind is drawn."""


def random_outlines(rng: Generator) -> Outlines:
    """Draw a kind of shape, turn and stretch it.

    Returns:
        polygons whose common box has its middle at the origin and a longest half side of 1.
    """
    kinds, weights = list(FAMILIES), np.array(list(FAMILIES.values()))
    outlines = kinds[rng.choice(len(kinds), p=weights / weights.sum())](rng)
    stretch = np.array([1.0, np.exp(rng.normal(0, 0.35))])
    turn = _rotation(rng.uniform(0, 2 * np.pi) if rng.random() < 0.75 else 0.0)
    outlines = [((points * stretch) @ turn, fills) for points, fills in outlines]
    filled = np.concatenate([points for points, fills in outlines if fills])
    centre = (filled.max(0) + filled.min(0)) / 2
    half = max(float((filled.max(0) - filled.min(0)).max() / 2), 1e-6)
    return [((points - centre) / half, fills) for points, fills in outlines]


def fill(
    outlines: Outlines, centre: tuple[float, float], half: float, size: int
) -> NDArray[np.float32]:
    """Coverage of each pixel by the shape.

    Args:
        outlines: polygons around the origin, half side 1; drawn in turn.
        centre: x and y in pixels.
        half: half of the longest side, in pixels.
        size: side of the square canvas, in pixels.

    Returns:
        (size, size) between 0 and 1; the mask is where it is above one half.
    """
    canvas = Image.new("L", (size * OVERSAMPLING,) * 2)
    pen = ImageDraw.Draw(canvas)
    for points, fills in outlines:
        placed = (points * half + centre) * OVERSAMPLING
        pen.polygon([(float(x), float(y)) for x, y in placed], fill=255 if fills else 0)
    small = canvas.resize((size, size), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def _band(line: Points, width: NDArray[np.float64]) -> Points:
    """The polygon around a line whose half widths are given at its points."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.stack([-along[:, 1], along[:, 0]], 1) * width[:, None]
    return np.concatenate([line + across, (line - across)[::-1]])


def _tapered(rng: Generator, steps: int) -> NDArray[np.float64]:
    """Widths that fall to nothing at both ends, or hardly."""
    at = np.linspace(-1, 1, steps)
    tapered: NDArray[np.float64] = np.maximum(1 - np.abs(at) ** rng.uniform(1.5, 20), 0.05)
    return tapered


def _phases(rng: Generator, count: int) -> NDArray[np.float64]:
    return rng.uniform(0, 2 * np.pi, (count, 1))


def _polar(radius: NDArray[np.float64], angle: NDArray[np.float64]) -> Points:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def _direction(rng: Generator) -> NDArray[np.float64]:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _rotation(angle: float) -> Points:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
