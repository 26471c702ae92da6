"""Figures over sites: drawn whole, with every site's value in them, and refused where they lie."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from monai_cobot.errors import CobotError
from monai_cobot.metrics import (
    coefficient_figure,
    relation_heat_maps,
    row_mean_share,
    site_figure,
)
from monai_cobot.metrics.palette import MODELS

SITES = ["q0", "v0", "q1"]
ROUNDING = 1e-12  # sums of a few numbers in double precision


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is written."""
    figures: list[Figure] = []
    original = Figure.savefig

    def keep(figure: Figure, *arguments, **options):
        figures.append(figure)
        return original(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def test_heat_maps_show_what_training_changed(tmp_path: Path, saved: list[Figure]) -> None:
    """S - I: the identity has no place on the scale. Row means -2/3, 1/6, 0 explain
    (3 * 4/9 + 3 / 36) / 4.25 = 1/3 of the squares."""
    after = np.array([[1.0, 0.0, -2.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    relation_heat_maps({"before": np.eye(3), "after": after}, SITES, tmp_path / "s.png")
    assert [path.name for path in tmp_path.iterdir()] == ["s.png"]
    panels = [axes for axes in saved[0].axes if axes.images]
    assert [axes.get_title(loc="left") for axes in panels] == [
        "before\nS - I is 0", "after\nS - I; row means: 33.3% of its square",
    ]  # fmt: skip
    np.testing.assert_array_equal(panels[1].images[0].get_array(), after - np.eye(3))
    assert [axes.images[0].get_clim() for axes in panels] == [(-1, 1), (-2, 2)]
    for axes in panels:  # rows receive, from the top
        assert [label.get_text() for label in axes.get_yticklabels()] == SITES
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("gives", "receives")
    assert imread(tmp_path / "s.png").shape[1] > imread(tmp_path / "s.png").shape[0]


def test_share_of_the_row_means() -> None:
    gains = np.outer([0.3, -0.2, 0.0], np.ones(3))
    assert row_mean_share(gains) == pytest.approx(1)
    assert row_mean_share(gains.T - gains.mean()) == pytest.approx(0, abs=ROUNDING)
    assert row_mean_share(np.eye(4)) == pytest.approx(1 / 4)
    assert math.isnan(row_mean_share(np.zeros((3, 3))))


def test_heat_map_of_a_matrix_that_did_not_change(tmp_path: Path, saved: list[Figure]) -> None:
    relation_heat_maps({"S": np.eye(3)}, SITES, tmp_path / "s.png")
    assert saved[0].axes[0].images[0].get_clim() == (-1, 1)


def test_coefficients(tmp_path: Path, saved: list[Figure]) -> None:
    values = np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 1.0]])
    coefficient_figure({"given": np.ones((3, 2)), "received": values}, SITES, tmp_path / "c.png")
    axes = saved[0].axes[1]
    dots, means = axes.collections
    np.testing.assert_array_equal(dots.get_offsets()[:, 1], [1, 2, 0, 1, 1, 1])
    np.testing.assert_array_equal(dots.get_offsets()[:, 0], [0, 0, 1, 1, 2, 2])
    assert [segment[0][1] for segment in means.get_segments()] == [1.5, 0.5, 1.0]
    assert saved[0].axes[0].get_ylim() == axes.get_ylim()


def test_numbers_of_sites(tmp_path: Path, saved: list[Figure]) -> None:
    series = {"before": np.zeros(3), "after": np.array([0.5, 0.1, 0.3])}
    site_figure(series, SITES, tmp_path / "d.png", "distance")
    heights = [c.get_offsets()[:, 1].tolist() for c in saved[0].axes[0].collections[1::2]]
    assert heights == [[0, 0, 0], [0.5, 0.1, 0.3]]
    site_figure({str(n): np.zeros(3) for n in range(len(MODELS) + 1)}, SITES, tmp_path / "n.png")
    assert len(saved[1].axes[0].collections) == 2 * (len(MODELS) + 1)


@pytest.mark.parametrize(
    ("draw", "array", "message"),
    [
        (relation_heat_maps, np.eye(2), r"'x': \(2, 2\).*expected \(3, 3\)"),
        (coefficient_figure, np.ones((2, 4)), r"'x': \(2, 4\).*expected \(3, 4\)"),
        (site_figure, np.ones(4), r"'x': \(4,\).*expected \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit(tmp_path: Path, draw, array, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        draw({"x": array}, SITES, tmp_path / "f.png")
    with pytest.raises(CobotError, match=r"f\.png: there is no array"):
        draw({}, SITES, tmp_path / "f.png")
    assert not list(tmp_path.iterdir())
