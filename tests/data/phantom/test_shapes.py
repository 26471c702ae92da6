import numpy as np
import pytest

from monai_cobot.data.phantom.shapes import Cut, Ellipsoid, Moved, Shape, Tube, Union

BALL = Ellipsoid((1, 2, 3), (5, 5, 5))
EXACT = 1e-4
"""float32 coordinates of some 10 mm, in mm."""

SHAPES: dict[str, Shape] = {
    "ball": BALL,
    "turned": Ellipsoid((0, 3, 0), (4, 12, 7), (20, 30, 40)),
    "tube": Tube(((0, 0, 0, 3), (10, 5, 0, 4), (10, 15, 8, 2))),
    "union": Union((BALL, Ellipsoid((8, 2, 3), (4, 4, 4))), 3),
    "cut": Cut(BALL, Ellipsoid((5, 2, 3), (3, 3, 3))),
    "moved": Moved(Ellipsoid((0, 3, 0), (4, 12, 7)), (5, -5, 9), 1.3),
}


def _points(*points: tuple[float, float, float]) -> np.ndarray:
    return np.array(points, np.float32).T


def _grid() -> np.ndarray:
    axis = np.arange(-24, 25, 1.0) + 0.3  # off the surfaces of balls with whole numbers
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij")).astype(np.float32)


def test_level_of_a_ball_is_the_distance() -> None:
    level = BALL.level(_points((1, 2, 3), (6, 2, 3), (1, 2, 13)))
    np.testing.assert_allclose(level, [-5, 0, 5], atol=EXACT)


def test_level_of_a_straight_tube_is_the_distance() -> None:
    tube = Tube(((0, 0, 0, 2), (0, 0, 10, 4)), samples=1)
    level = tube.level(_points((2, 0, 0), (0, 7, 5), (0, 0, 16)))
    np.testing.assert_allclose(level, [0, 4, 2], atol=EXACT)


def test_a_turn_about_z_takes_x_to_y() -> None:
    turned = Ellipsoid((0, 0, 0), (10, 2, 2), (0, 0, 90))
    level = turned.level(_points((0, 9, 0), (9, 0, 0)))
    assert level[0] < 0 < level[1]


def test_cut_and_union() -> None:
    other = Ellipsoid((5, 2, 3), (3, 3, 3))
    points = _grid()
    a, b = BALL.level(points) < 0, other.level(points) < 0
    assert ((Cut(BALL, other).level(points) < 0) == (a & ~b)).all()
    assert ((Union((BALL, other)).level(points) < 0) == (a | b)).all()
    assert ((Union((BALL, other), 2).level(points) < 0) >= (a | b)).all()


def test_moved_is_scaled_about_its_middle() -> None:
    moved = Moved(BALL, (10, 0, 0), 2.0)
    np.testing.assert_allclose(moved.level(_points((11, 2, 3), (21, 2, 3))), [-10, 0], atol=EXACT)


@pytest.mark.parametrize("name", SHAPES)
def test_bounds_hold_the_solid(name: str) -> None:
    shape, points = SHAPES[name], _grid()
    inside = points[:, shape.level(points) < 0]
    low, high = shape.bounds()
    assert inside.shape[1] > 100
    assert (inside.min(axis=1) >= low).all()
    assert (inside.max(axis=1) <= high).all()
