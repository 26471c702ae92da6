"""Outlines and the pixels that they cover."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from monai_cobot.drawings import shapes
from monai_cobot.drawings.shapes import FAMILIES, Outlines, fill, random_outlines

# Pillow counts the subpixels under the outline in: a quarter of a pixel, and the rounding as much.
BORDER = 0.5

SQUARE = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
TRIANGLE = np.array([[-1.0, -1], [1, -1], [-1, 1]])
ARROW = np.array([[-1.0, -1], [0, -0.5], [1, -1], [0, 1]])  # concave
AROUND = np.linspace(0, 2 * np.pi, 200, endpoint=False)
CIRCLE = np.stack([np.cos(AROUND), np.sin(AROUND)], 1)


def perimeter(points: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(points - np.roll(points, 1, 0), axis=1).sum())


@pytest.mark.parametrize(
    ("points", "area"),
    [(SQUARE, 4.0), (TRIANGLE, 2.0), (ARROW, 1.5), (CIRCLE, np.pi)],
    ids=["square", "triangle", "arrow", "circle"],
)
@pytest.mark.parametrize("half", [5.0, 13.3, 25.0])
def test_coverage_adds_up_to_the_polygons_area(
    points: NDArray[np.float64], area: float, half: float
) -> None:
    coverage = fill([(points, True)], (32.0, 31.5), half, 64)
    assert coverage.shape == (64, 64)
    assert coverage.dtype == np.float32
    border = BORDER * half * perimeter(points)
    assert abs(float(coverage.sum()) - area * half**2) <= border
    assert abs(int((coverage > 0.5).sum()) - area * half**2) <= border


def test_x_is_the_column_and_y_the_row() -> None:
    rows, columns = np.nonzero(fill([(SQUARE, True)], (40.0, 12.0), 5.0, 64) > 0.5)
    assert (rows.min(), columns.min()) == (7, 35)
    assert abs(rows.mean() + 0.5 - 12) <= BORDER
    assert abs(columns.mean() + 0.5 - 40) <= BORDER


def test_an_outline_that_does_not_fill_cuts_out_of_those_before_it() -> None:
    hole, island = SQUARE / 2, SQUARE / 10
    outlines: Outlines = [(SQUARE, True), (hole, False), (island, True)]
    coverage = fill(outlines, (32.0, 32.0), 20.0, 64)
    assert abs(float(coverage.sum()) - (1600 - 400 + 16)) <= BORDER * (160 + 80 + 16)
    assert coverage[32, 32] == 1
    assert coverage[32, 26] == 0
    assert coverage[32, 16] == 1


def test_what_lies_beyond_the_canvas_is_cut_off() -> None:
    coverage = fill([(SQUARE, True)], (0.0, 32.0), 10.0, 64)
    assert abs(float(coverage.sum()) - 200) <= BORDER * 80
    assert coverage[:, 32:].sum() == 0
    assert fill([(SQUARE, True)], (-20.0, 32.0), 10.0, 64).sum() == 0


def test_a_ring_has_its_hole_and_is_not_all_hole() -> None:
    for seed in range(50):
        coverage = fill(shapes.ring(default_rng(seed)), (64.0, 64.0), 40.0, 128)
        assert coverage[64, 64] == 0
        assert (coverage > 0.5).sum() > 100


def test_a_rod_is_long_and_a_tube_is_one_band() -> None:
    points = shapes.rod(default_rng(0))[0][0]
    extent = points.max(0) - points.min(0)
    assert extent[0] > 3 * extent[1]
    for seed in range(20):
        (points, fills), *others = shapes.tube(default_rng(seed))
        assert fills
        assert not others
        assert np.abs(points).max() < 1.5


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_family_is_visible_and_varies(family: Callable[[Generator], Outlines]) -> None:
    masks = [fill(family(default_rng(seed)), (64.0, 64.0), 30.0, 128) > 0.5 for seed in range(20)]
    assert min(mask.sum() for mask in masks) >= 30
    assert len({mask.tobytes() for mask in masks}) == 20


def test_outlines_are_centred_and_their_longest_half_side_is_one() -> None:
    for seed in range(200):
        outlines = random_outlines(default_rng(seed))
        filled = np.concatenate([points for points, fills in outlines if fills])
        assert np.isfinite(filled).all()
        np.testing.assert_allclose(filled.max(0) + filled.min(0), 0, atol=1e-9)
        assert (filled.max(0) - filled.min(0)).max() == pytest.approx(2)


def test_families_come_as_often_as_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def recorded(family: Callable[[Generator], Outlines]) -> Callable[[Generator], Outlines]:
        def record(rng: Generator) -> Outlines:
            drawn.append(family.__name__)
            return family(rng)

        return record

    wrapped = {recorded(family): weight for family, weight in FAMILIES.items()}
    monkeypatch.setattr(shapes, "FAMILIES", wrapped)
    rng, count = default_rng(0), 1000
    for _ in range(count):
        random_outlines(rng)
    for family, weight in FAMILIES.items():
        deviation = np.sqrt(count * weight * (1 - weight))
        assert abs(drawn.count(family.__name__) - count * weight) < 4 * deviation, family
    assert sum(FAMILIES.values()) == pytest.approx(1)
