"""Random fields: level, spread, and what each kind is said to be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator, default_rng

from monai_cobot.drawings import textures
from monai_cobot.drawings.textures import Field, random_texture

KINDS: dict[str, Callable[[Generator, int], Field]] = {
    "smooth": lambda rng, size: textures.smooth(rng, size, 20),
    "grain": lambda rng, size: textures.grain(rng, size, 0.5, 3.0),
    "fractal": textures.fractal,
    "stripes": textures.stripes,
    "cells": textures.cells,
    "gradient": textures.gradient,
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("size", [16, 64])
def test_level_and_spread(kind: Callable[[Generator, int], Field], size: int) -> None:
    for seed in range(5):
        field = kind(default_rng(seed), size)
        assert field.shape == (size, size)
        assert field.dtype == np.float32
        assert abs(float(field.mean(dtype=np.float64))) < 1e-3
        assert float(field.std(dtype=np.float64)) == pytest.approx(1, abs=1e-3)


def neighbours(field: Field, axis: int) -> float:
    """Mean product of neighbours along an axis: 1 for the same, 0 for independent ones."""
    pairs = np.moveaxis(field, axis, 0)
    return float((pairs[1:] * pairs[:-1]).mean())


def test_white_and_flat() -> None:
    field = textures.white(default_rng(0), 128)
    assert field.dtype == np.float32
    assert abs(float(field.mean())) < 0.05
    assert float(field.std()) == pytest.approx(1, abs=0.05)
    assert abs(neighbours(field, 0)) < 0.05
    assert not textures.flat(default_rng(0), 8).any()


def test_smooth_fields_change_slowly() -> None:
    fine, coarse = (textures.smooth(default_rng(0), 128, scale) for scale in (2, 40))
    assert neighbours(coarse, 0) > 0.99
    assert neighbours(fine, 0) < 0.9


def test_grain_is_blurred_down_and_across_as_asked() -> None:
    field = textures.grain(default_rng(0), 128, 0.3, 3.0)
    assert neighbours(field, 1) > 0.95
    assert neighbours(field, 0) < 0.2


def test_a_gradient_is_a_plane() -> None:
    field = textures.gradient(default_rng(1), 32)
    assert np.abs(np.diff(field, 2, axis=0)).max() < 1e-5
    assert np.abs(np.diff(field, 2, axis=1)).max() < 1e-5


def test_cells_have_a_level_each() -> None:
    for seed in range(5):
        assert 2 <= len(np.unique(textures.cells(default_rng(seed), 64))) <= 120


def test_kinds_come_as_often_as_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def recorded(number: int) -> Callable[[Generator, int], Field]:
        def record(rng: Generator, size: int) -> Field:
            drawn.append(number)
            return textures.flat(rng, size)

        return record

    weights = np.array([weight for _, weight in textures.KINDS])
    wrapped = tuple((recorded(number), weight) for number, weight in enumerate(weights))
    monkeypatch.setattr(textures, "KINDS", wrapped)
    rng, count = default_rng(0), 1000
    for _ in range(count):
        random_texture(rng, 8)
    shares = weights / weights.sum()
    deviations = np.sqrt(count * shares * (1 - shares))
    assert (np.abs(np.bincount(drawn) - count * shares) < 4 * deviations).all()
