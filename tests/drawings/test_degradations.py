"""What devices do to pictures: shape and type stay, and each does what it says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator, default_rng

from monai_cobot.drawings import degradations as degrade
from monai_cobot.drawings.degradations import Canvas
from monai_cobot.drawings.objects import DrawnObject

SIZE = 48


def disc() -> DrawnObject:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    inside = np.hypot(rows - 20, columns - 24) < 7
    return DrawnObject(inside.astype(np.float32), (24.5, 20.5), 7.0, 0)


def level(value: float, channels: int = 1) -> Canvas:
    return np.full((SIZE, SIZE, channels), value, np.float32)


ALL: dict[str, Callable[[Generator, Canvas], Canvas]] = {
    "blur": lambda rng, canvas: degrade.blur(canvas, 1.5),
    "white noise": lambda rng, canvas: degrade.add_noise(rng, canvas, 9, 0),
    "correlated noise": lambda rng, canvas: degrade.add_noise(rng, canvas, 9, 1.2),
    "rician": lambda rng, canvas: degrade.rician(rng, canvas, 9),
    "bias field": lambda rng, canvas: degrade.bias_field(rng, canvas, 0.5),
    "speckle": lambda rng, canvas: degrade.speckle(rng, canvas, 0.8, 0.6, 1.5),
    "shadows below": lambda rng, canvas: degrade.shadows_below(rng, canvas, [disc()], 0.1, 0.8),
    "cast shadows": lambda rng, canvas: degrade.cast_shadows(rng, canvas, [disc()]),
    "attenuate": degrade.attenuate,
    "fan": lambda rng, canvas: degrade.fan(rng, canvas, []),
    "stripes": lambda rng, canvas: degrade.add_stripes(rng, canvas, 5),
    "tone": lambda rng, canvas: degrade.tone(rng, canvas, 0.25),
    "coarsen": lambda rng, canvas: degrade.coarsen(rng, canvas, 0.5),
    "jpeg": degrade.jpeg,
}


@pytest.mark.parametrize("change", ALL.values(), ids=ALL)
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_type_and_the_given_canvas_stay(
    change: Callable[[Generator, Canvas], Canvas], channels: int
) -> None:
    canvas = default_rng(1).uniform(0, 255, (SIZE, SIZE, channels)).astype(np.float32)
    before = canvas.copy()
    for seed in range(5):
        changed = change(default_rng(seed), canvas)
        assert changed.shape == canvas.shape
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert np.array_equal(changed, change(default_rng(seed), canvas))
    assert np.array_equal(canvas, before)


def test_blur_keeps_levels_and_channels_apart() -> None:
    canvas = np.concatenate([level(10), level(200)], 2)
    np.testing.assert_allclose(degrade.blur(canvas, 2), canvas, rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_noise_has_its_deviation_and_is_grey(sigma: float) -> None:
    noise = degrade.add_noise(default_rng(0), level(100, 3), 9, sigma) - 100
    assert float(noise.std()) == pytest.approx(9, rel=0.05)
    assert np.array_equal(noise[..., 0], noise[..., 2])


def test_rician_noise_lifts_the_mean_square_by_twice_its_variance() -> None:
    for signal in (0, 60):
        magnitude = degrade.rician(default_rng(0), level(signal), 10)
        assert magnitude.min() >= 0
        assert float((magnitude**2).mean()) == pytest.approx(signal**2 + 200, rel=0.1)


def test_speckle_multiplies_and_keeps_the_mean() -> None:
    speckled = degrade.speckle(default_rng(0), level(100), 1.0, 0.5, 0.5)
    assert float(speckled.mean()) == pytest.approx(100, rel=0.05)
    assert float(speckled.std()) == pytest.approx(100 * np.sqrt(4 / np.pi - 1), rel=0.1)
    assert not degrade.speckle(default_rng(0), level(0), 1.0, 0.5, 0.5).any()


def test_bias_field_and_attenuation_multiply() -> None:
    biased = degrade.bias_field(default_rng(0), level(100), 0.3)
    assert np.exp(-0.61) < biased.min() / 100 < biased.max() / 100 < np.exp(0.61)
    rows = degrade.attenuate(default_rng(0), level(100))[:, :, 0]
    assert (rows == rows[:, :1]).all()
    assert rows[0, 0] == pytest.approx(100)
    steps = np.diff(np.log(rows[:, 0]))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-2)


def test_shadows_fall_below_their_object_only() -> None:
    fallen = 0
    for seed in range(10):
        changed = degrade.shadows_below(default_rng(seed), level(100), [disc()], 0.1, 0.8)[..., 0]
        assert changed.max() <= 100 + 1e-3
        assert np.abs(changed[:4] - 100).max() < 0.01  # above the object
        assert np.abs(changed[:, :4] - 100).max() < 0.01  # beside it
        fallen += changed[32, 24] < 95
    assert 1 <= fallen <= 9


def test_thrown_shadows_spare_the_objects() -> None:
    drawn = disc()
    changed = degrade.cast_shadows(default_rng(0), level(100), [drawn])[..., 0]
    assert (changed[drawn.coverage == 1] == 100).all()
    assert changed.max() <= 100
    assert changed.min() < 95


def test_a_fan_is_black_outside_and_its_objects_end_there() -> None:
    shares, cut = [], 0
    for seed in range(40):
        drawn = disc()
        whole = drawn.coverage.sum()
        seen = degrade.fan(default_rng(seed), level(100), [drawn])
        assert set(np.unique(seen).tolist()) <= {0.0, 100.0}
        assert not drawn.coverage[seen[..., 0] == 0].any()
        cut += 0 < drawn.coverage.sum() < whole
        shares.append((seen > 0).mean())
    assert 0.1 < np.mean(shares) < 0.9
    assert cut


def test_shadows_do_not_come_back_at_the_other_edge() -> None:
    """An object in a corner throws shadows near itself alone, whatever their direction."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    corner = (np.hypot(rows - 4, columns - 4) < 7).astype(np.float32)
    drawn = DrawnObject(corner, (4.5, 4.5), 7.0, 0)
    for seed in range(12):
        changed = degrade.cast_shadows(default_rng(seed), level(100), [drawn])[..., 0]
        assert (changed[SIZE // 2 :] == 100).all()
        assert (changed[:, SIZE // 2 :] == 100).all()


def test_tone_keeps_the_order_of_levels() -> None:
    ramp = np.linspace(0, 255, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE, 1)
    for seed in range(5):
        assert (np.diff(degrade.tone(default_rng(seed), ramp, 0.25).ravel()) >= 0).all()


def test_coarsening_keeps_the_mean_and_loses_detail() -> None:
    canvas = default_rng(0).uniform(0, 255, (SIZE, SIZE, 3)).astype(np.float32)
    coarse = degrade.coarsen(default_rng(1), canvas, 0.3)
    assert float(coarse.mean()) == pytest.approx(float(canvas.mean()), rel=0.02)
    assert coarse.std() < 0.8 * canvas.std()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_stored_jpeg_is_in_range_and_close(channels: int) -> None:
    ramp = np.linspace(-20, 280, SIZE, dtype=np.float32)[None, :, None]
    stored = degrade.jpeg(default_rng(0), np.tile(ramp, (SIZE, 1, channels)))
    assert stored.min() >= 0
    assert stored.max() <= 255
    assert np.abs(stored - np.clip(ramp, 0, 255)).mean() < 12
