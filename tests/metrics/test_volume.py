"""Scores against cubes worked by hand and against distance transforms of scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice
from scipy import ndimage

from monai_cobot.errors import CobotError
from monai_cobot.metrics import organ_scores

# MONAI computes in float32; distances here stay below 100 mm.
FLOAT32 = 1e-5


def cube(start: int, stop: int, label: int = 1, size: int = 12) -> np.ndarray:
    volume = np.zeros((size,) * 3, np.uint8)
    volume[start:stop, start:stop, start:stop] = label
    return volume


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two label maps of smooth random blobs that differ a little; labels 1, 2 and 4."""
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.normal(size=(30, 24, 18)), 3) for _ in range(3)]
    noise = ndimage.gaussian_filter(rng.normal(size=(30, 24, 18)), 2)
    maps = []
    for extra in (0.0, 0.5):
        labels = np.zeros((30, 24, 18), np.int16)
        for label, field in zip((1, 2, 4), fields, strict=True):
            labels[(field + extra * noise) / field.std() > 1.2] = label
        maps.append(labels)
    return maps[0], maps[1]


def surfaces(mask: np.ndarray, other: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Distances of the surface voxels of `mask` to the surface of `other`, by the EDT."""
    edge, other_edge = (
        m & ~ndimage.binary_erosion(np.pad(m, 1))[1:-1, 1:-1, 1:-1] for m in (mask, other)
    )
    return ndimage.distance_transform_edt(~other_edge, sampling=spacing)[edge]


def test_cube_shifted_by_one_voxel(organs):
    truth = cube(3, 7)
    prediction = np.roll(truth, 1, axis=0)
    score = organ_scores(prediction, truth, organs, (3.0, 1.0, 1.0))[0]
    assert score.dice == 2 * 48 / 128
    assert score.iou == 48 / 80
    assert (score.true_voxels, score.predicted_voxels) == (64, 64)
    # The far faces are one voxel of 3 mm apart; more than 5 % of the surface lies on them.
    assert score.hd95_mm == pytest.approx(3.0, abs=FLOAT32)
    assert score.hd95_px == pytest.approx(1.0, abs=FLOAT32)
    assert score.surface_dice == 1.0  # the liver is forgiven 5 mm
    assert score.surface_tolerance_mm == 5.0


def test_surface_beyond_its_tolerance_counts(organs):
    truth, far = cube(1, 3), cube(8, 10)
    score = organ_scores(far, truth, organs, (1.0, 1.0, 1.0))[0]
    assert (score.dice, score.surface_dice) == (0.0, 0.0)
    # Corner to corner 6, 6, 6 at best; every voxel of a 2-cube is surface.
    assert score.hd95_px > 6 * math.sqrt(3)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 1.3, 5.0)])
def test_equals_distance_transforms_and_monai(organs, seed, spacing):
    prediction, truth = blobs(seed)
    scores = organ_scores(prediction, truth, organs, spacing)
    for organ, score in zip(organs, scores, strict=True):
        p, t = prediction == organ.label, truth == organ.label
        assert p.any()
        assert t.any()
        there, back = surfaces(p, t, spacing), surfaces(t, p, spacing)
        hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
        both = np.concatenate([there, back])
        assert score.hd95_mm == pytest.approx(hd95, rel=FLOAT32)
        tolerance = organ.surface_tolerance_mm
        assert score.surface_dice == pytest.approx((both <= tolerance).mean(), abs=FLOAT32)
        masks = (torch.from_numpy(m)[None, None].double() for m in (p, t))
        assert score.dice == pytest.approx(float(compute_dice(*masks)), abs=FLOAT32)


def test_organs_at_the_border_are_not_cut(organs):
    truth = np.zeros((6, 6, 6), np.uint8)
    truth[:3] = 1
    prediction = np.zeros_like(truth)
    prediction[:2] = 1
    score = organ_scores(prediction, truth, organs, (2.0, 2.0, 2.0))[0]
    there, back = (
        surfaces(a == 1, b == 1, (2.0,) * 3) for a, b in ((prediction, truth), (truth, prediction))
    )
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert score.hd95_mm == pytest.approx(expected, abs=FLOAT32)


def test_conventions(organs):
    prediction, truth = cube(2, 5, label=2), cube(2, 5, label=1)
    missed, false, absent = organ_scores(prediction, truth, organs, (1.0, 1.0, 1.0))
    assert (missed.dice, missed.surface_dice) == (0.0, 0.0)
    assert missed.hd95_mm == missed.hd95_px == math.inf
    assert (missed.true_voxels, missed.predicted_voxels) == (27, 0)
    assert (false.dice, false.surface_dice) == (0.0, 0.0)
    assert math.isnan(false.hd95_mm)
    assert math.isnan(false.hd95_px)
    assert all(math.isnan(v) for v in (absent.dice, absent.surface_dice, absent.hd95_mm))
    assert (absent.true_voxels, absent.predicted_voxels) == (0, 0)


@pytest.mark.parametrize("prediction", [cube(3, 7), cube(2, 6), np.zeros((12,) * 3, np.uint8)])
def test_without_spacing_only_pixels(organs, prediction):
    score = organ_scores(prediction, cube(3, 7), organs, None)[0]
    assert math.isnan(score.hd95_mm)
    assert math.isnan(score.surface_dice)
    assert not math.isnan(score.hd95_px)


def test_two_dimensions(organs):
    truth = np.zeros((20, 20), np.uint8)
    truth[5:10, 5:10] = 1
    score = organ_scores(np.roll(truth, 2, axis=1), truth, organs, None)[0]
    assert score.dice == 2 * 15 / 50
    assert score.hd95_px == pytest.approx(2.0, abs=FLOAT32)


def test_views_with_negative_strides(organs):
    prediction, truth = blobs(0)
    flipped = organ_scores(prediction[::-1, :, ::-1], truth[::-1, :, ::-1], organs, (1, 2, 3))
    for score, other in zip(
        flipped, organ_scores(prediction, truth, organs, (1, 2, 3)), strict=True
    ):
        assert score.dice == other.dice
        assert score.hd95_mm == pytest.approx(other.hd95_mm, rel=FLOAT32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction": cube(1, 2, size=5)}, r"\(5, 5, 5\).*geometry of the truth"),
        ({"prediction": cube(1, 2).astype(float)}, "prediction is of type float64.*integer"),
        ({"spacing": (1.0, 1.0)}, r"spacing \[1.0, 1.0\] does not fit.*3 axes"),
        ({"spacing": (1.0, 0.0, 1.0)}, "positive number of mm"),
        ({"spacing": (1.0, math.nan, 1.0)}, "positive number of mm"),
    ],
)
def test_bad_input(organs, change, message):
    given = {"prediction": cube(1, 2), "truth": cube(1, 2), "spacing": (1.0, 1.0, 1.0)} | change
    with pytest.raises(CobotError, match=message):
        organ_scores(organs=organs, **given)


def test_slices_with_and_without_the_organ() -> None:
    """By hand: slices 2 to 4 have it; one voxel too many on each of slices 4 and 9."""

    class Organ:
        label, name, surface_tolerance_mm = 1, "liver", 1.0

    truth = np.zeros((12, 6, 6), np.uint8)
    truth[2:5, 1:3, 1:3] = 1
    prediction = truth.copy()
    prediction[4, 5, 5] = prediction[9, 0, 0] = 1
    (score,) = organ_scores(prediction, truth, [Organ()], (5.0, 2.0, 1.0), slice_axis=0)
    assert score.dice_present_slices == 2 * 12 / (12 + 13)
    assert score.dice == 2 * 12 / (12 + 14)
    assert score.false_ml_absent_slices == 1 * 5 * 2 * 1 / 1000
    (absent,) = organ_scores(prediction, truth * 0, [Organ()], (5.0, 2.0, 1.0), slice_axis=0)
    assert math.isnan(absent.dice_present_slices)
    assert absent.false_ml_absent_slices == pytest.approx(14 * 10 / 1000)
    (plain,) = organ_scores(prediction, truth, [Organ()], (5.0, 2.0, 1.0))
    assert math.isnan(plain.false_ml_absent_slices)
