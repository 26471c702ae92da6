"""Tiles that overlap, and which of them answers a box."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monai_cobot.errors import CobotError
from monai_cobot.scenes.area import Area

Box = tuple[float, float, float, float]
"""XYXY in pixels of the scene, pixel edges."""

MARGIN = 0.125
"""What a box's own window shows around it on each side, a share of the box's longest side."""


@dataclass(frozen=True)
class TileGrid:
    """Square tiles over a scene; the last of a row or column lie at the scene's border.

    Args:
        height: rows of the scene.
        width: its columns.
        tile: side of a tile in pixels; a scene that is smaller has one tile, of its own size.
        overlap: least common pixels of two neighbours.

    Raises:
        CobotError: a tile without pixels, or an overlap that is no less than a tile.
    """

    height: int
    width: int
    tile: int
    overlap: int

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise CobotError(f"tile {self.tile}: give a side of at least 1 pixel")
        if not 0 <= self.overlap < self.tile:
            raise CobotError(
                f"overlap {self.overlap}: give 0 to {self.tile - 1} pixels, less than a tile"
            )

    @property
    def tops(self) -> list[int]:
        """First rows of the tiles."""
        return _starts(self.height, self.tile, self.overlap)

    @property
    def lefts(self) -> list[int]:
        """First columns of the tiles."""
        return _starts(self.width, self.tile, self.overlap)

    def at(self, top: int, left: int) -> Area:
        """The tile that begins there."""
        return Area(top, left, min(top + self.tile, self.height), min(left + self.tile, self.width))

    def __iter__(self) -> Iterator[Area]:
        return (self.at(top, left) for top in self.tops for left in self.lefts)

    def best_for(self, box: Box) -> Area | None:
        """The tile in which a box lies whole and farthest from a border; None where it does not.

        The scene's own borders cut nothing and do not count.
        """
        x0, y0, x1, y1 = box
        top = _best(y0, y1, self.tops, self.tile, self.height)
        left = _best(x0, x1, self.lefts, self.tile, self.width)
        return None if top is None or left is None else self.at(top, left)

    def own_window(self, box: Box) -> Area:
        """A window around a box that lies whole in no tile.

        It has the side of a tile or, for a larger box, what shows :data:`MARGIN` on each side; the
        scene's border moves or cuts it.
        """
        x0, y0, x1, y1 = box
        side = max(self.tile, math.ceil(max(x1 - x0, y1 - y0) * (1 + 2 * MARGIN)))
        top, bottom = _around((y0 + y1) / 2, side, self.height)
        left, right = _around((x0 + x1) / 2, side, self.width)
        return Area(top, left, bottom, right)

    def reading_size(self, area: Area) -> tuple[int, int]:
        """Rows and columns in which an area is read, so that it is no larger than a tile."""
        height, width = area.shape
        scale = min(1.0, self.tile / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    last = max(length - tile, 0)
    return [*range(0, last, tile - overlap), last]


def _best(low: float, high: float, starts: Sequence[int], tile: int, length: int) -> int | None:
    """The start whose tile leaves the most between an interval and its cutting ends."""
    best, room = None, -1.0
    for start in starts:
        before = low - start if start > 0 else math.inf
        after = start + tile - high if start + tile < length else math.inf
        if min(before, after) > room and low >= start and high <= start + tile:
            best, room = start, min(before, after)
    return best


def _around(middle: float, side: int, length: int) -> tuple[int, int]:
    start = max(0, min(round(middle - side / 2), length - side))
    return start, min(start + side, length)
