"""What is in a drawing: objects that lie apart, touch, overlap, repeat or hold one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from monai_cobot.drawings.shapes import Outlines, fill, random_outlines

SMALLEST_HALF = 4.0
LARGEST_HALF = 0.45
"""Half of the longest side: in pixels, and as a share of the canvas."""


@dataclass
class DrawnObject:
    """One object before it is painted.

    Attributes:
        coverage: (size, size) share of each pixel that it covers, 0..1.
        group: objects of one group look alike (repeated things, as ships or cells are).
        holder: index of the object that this one is a part of; None where it hides what is below.
    """

    coverage: NDArray[np.float32]
    centre: tuple[float, float]
    half: float
    group: int
    holder: int | None = None


def random_objects(rng: Generator, size: int) -> list[DrawnObject]:
    """Place one to ten objects, in the order in which they are painted."""
    objects: list[DrawnObject] = []
    wanted = int(np.clip(rng.geometric(0.25), 1, 10))
    scale = np.exp(rng.uniform(np.log(4 * SMALLEST_HALF), np.log(size * LARGEST_HALF)))
    while len(objects) < wanted:
        kind = rng.random()
        if kind < 0.15 and wanted - len(objects) > 2:
            objects += _repeated(rng, size, len(objects), wanted - len(objects))
        elif kind < 0.30 and objects:
            objects.append(_part(rng, size, objects, int(rng.integers(len(objects)))))
        elif kind < 0.50 and objects:
            objects.append(_beside(rng, size, objects[-1], len(objects)))
        else:
            half = float(np.clip(scale * np.exp(rng.normal(0, 0.6)), SMALLEST_HALF, 0.5 * size))
            centre = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
            if rng.random() < 0.6:  # whole within the picture
                low, high = min(half, size / 2), max(size - half, size / 2)
                centre = (
                    float(np.clip(centre[0], low, high)),
                    float(np.clip(centre[1], low, high)),
                )
            objects.append(_placed(random_outlines(rng), centre, half, size, len(objects)))
    return objects


def visible_masks(objects: list[DrawnObject]) -> NDArray[np.bool_]:
    """What is seen of every object: (P, size, size). Later ones hide earlier ones, parts do not."""
    masks = np.stack([drawn.coverage > 0.5 for drawn in objects])
    for top in range(1, len(objects)):
        holders = _holders(objects, top)
        for below in range(top):
            if below not in holders:
                masks[below] &= ~masks[top]
    return masks


def _holders(objects: list[DrawnObject], index: int) -> set[int]:
    found: set[int] = set()
    holder = objects[index].holder
    while holder is not None:
        found.add(holder)
        holder = objects[holder].holder
    return found


def _placed(
    outlines: Outlines, centre: tuple[float, float], half: float, size: int, group: int
) -> DrawnObject:
    return DrawnObject(fill(outlines, centre, half, size), centre, half, group)


def _part(rng: Generator, size: int, objects: list[DrawnObject], holder: int) -> DrawnObject:
    """An object inside of another one, cut to what is seen of it."""
    around = objects[holder]
    seen = visible_masks(objects)[holder]
    inside = np.argwhere(seen)
    if len(inside) == 0:
        return _beside(rng, size, around, len(objects))
    row, column = inside[rng.integers(len(inside))] + 0.5
    half = max(SMALLEST_HALF, around.half * rng.uniform(0.25, 0.7))
    part = _placed(random_outlines(rng), (float(column), float(row)), half, size, len(objects))
    part.coverage = part.coverage * around.coverage * seen
    part.holder = holder
    return part


def _beside(rng: Generator, size: int, neighbour: DrawnObject, group: int) -> DrawnObject:
    """An object that touches, or nearly touches, another."""
    half = float(np.clip(neighbour.half * np.exp(rng.normal(0, 0.5)), SMALLEST_HALF, 0.4 * size))
    angle = rng.uniform(0, 2 * np.pi)
    away = (neighbour.half + half) * rng.uniform(0.5, 1.05)
    centre = (
        float(np.clip(neighbour.centre[0] + away * np.cos(angle), 0, size)),
        float(np.clip(neighbour.centre[1] + away * np.sin(angle), 0, size)),
    )
    return _placed(random_outlines(rng), centre, half, size, group)


def _repeated(rng: Generator, size: int, group: int, most: int) -> list[DrawnObject]:
    """Copies of one small shape in a row or strewn about."""
    outlines = random_outlines(rng)
    half = float(np.exp(rng.uniform(np.log(SMALLEST_HALF), np.log(size * 0.2))))
    start = rng.uniform(0.1, 0.9, 2) * size
    angle, gap = rng.uniform(0, 2 * np.pi), half * rng.uniform(1.2, 3.5)
    in_row = rng.random() < 0.5
    copies = []
    for number in range(int(rng.integers(2, most + 1))):
        place = start + number * gap * np.array([np.cos(angle), np.sin(angle)])
        if not in_row:
            place = rng.uniform(0, size, 2)
        if np.all((place > 0) & (place < size)):
            copies.append(_placed(outlines, (float(place[0]), float(place[1])), half, size, group))
    return copies
