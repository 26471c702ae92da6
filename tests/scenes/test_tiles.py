"""Tiles that cover a scene, and the tile of a box, against a search through all."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from monai_cobot.errors import CobotError
from monai_cobot.scenes.area import Area
from monai_cobot.scenes.tiles import MARGIN, TileGrid


@pytest.mark.parametrize(
    ("height", "width", "tile", "overlap"),
    [(100, 130, 40, 10), (40, 40, 40, 10), (20, 300, 64, 0), (90, 41, 40, 39), (7, 5, 64, 16)],
)
def test_tiles_cover_the_scene_and_overlap(
    height: int, width: int, tile: int, overlap: int
) -> None:
    grid = TileGrid(height, width, tile, overlap)
    covered = np.zeros((height, width), int)
    for area in grid:
        assert area.shape == (min(tile, height), min(tile, width))
        covered[area.within(Area(0, 0, height, width))] += 1
    assert covered.min() == 1
    for starts in (grid.tops, grid.lefts):
        gaps = [b - a for a, b in pairwise(starts)]
        assert all(0 < gap <= tile - overlap for gap in gaps)


def test_the_best_tile_of_a_box() -> None:
    grid, random = TileGrid(300, 420, 100, 30), np.random.default_rng(0)
    whole = 0
    for _ in range(300):
        x0, y0 = random.uniform(0, [400, 280])
        x1, y1 = min(x0 + random.uniform(1, 110), 420), min(y0 + random.uniform(1, 110), 300)

        def room(area: Area, x0=x0, y0=y0, x1=x1, y1=y1) -> float:
            sides = [
                y0 - area.top if area.top else np.inf,
                x0 - area.left if area.left else np.inf,
                area.bottom - y1 if area.bottom < 300 else np.inf,
                area.right - x1 if area.right < 420 else np.inf,
            ]
            return min(sides)

        best, rooms = grid.best_for((x0, y0, x1, y1)), [room(area) for area in grid]
        if max(rooms) < 0:
            assert best is None
        else:
            whole += 1
            assert best is not None
            assert room(best) == max(rooms)
    assert 100 < whole < 300


def test_a_box_that_fits_in_no_tile_has_a_window_of_its_own() -> None:
    grid = TileGrid(1000, 1000, 100, 20)
    assert grid.best_for((60, 10, 140, 20)) is None
    small = grid.own_window((60, 10, 140, 20))
    assert small == Area(0, 50, 100, 150)  # a tile's size: nothing is lost
    assert grid.reading_size(small) == (100, 100)
    large = grid.own_window((300, 400, 700, 450))
    side = 400 * (1 + 2 * MARGIN)
    assert large.shape == (side, side)
    assert (large.left, large.right) == (250, 750)
    assert grid.reading_size(large) == (100, 100)
    border = grid.own_window((600, 0, 1000, 400))  # moved into the scene
    assert border == Area(0, 500, 500, 1000)


def test_sides_that_do_not_fit() -> None:
    with pytest.raises(CobotError, match="tile 0: give a side of at least 1"):
        TileGrid(10, 10, 0, 0)
    with pytest.raises(CobotError, match="overlap 64: give 0 to 63 pixels"):
        TileGrid(10, 10, 64, 64)


def test_blocks_have_their_borders_at_the_same_places() -> None:
    blocks = list(Area(5, 30, 25, 45).blocks(20))
    assert blocks == [
        Area(5, 30, 20, 40), Area(5, 40, 20, 45), Area(20, 30, 25, 40), Area(20, 40, 25, 45),
    ]  # fmt: skip
