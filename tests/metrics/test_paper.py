"""The pooled protocol, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monai_cobot.errors import CobotError
from monai_cobot.metrics import PooledDice


def volume(*areas: tuple[int, int], label: int = 1, size: int = 256) -> np.ndarray:
    """A slice for each (height, width), with that rectangle at the top left corner."""
    stack = np.zeros((len(areas), size, size), np.uint8)
    for plane, (height, width) in zip(stack, areas, strict=True):
        plane[:height, :width] = label
    return stack


def test_pools_pixels_not_cases(organs):
    pooled = PooledDice(organs)
    truth = volume((40, 40))
    pooled.add(truth, truth)  # 1600 right
    other = volume((100, 100))
    pooled.add(volume((100, 50)), other)  # 5000 of 10000
    liver, kidney, _ = pooled.result()
    assert liver.dice == 2 * (1600 + 5000) / (1600 + 1600 + 10000 + 5000)
    assert (liver.true_pixels, liver.predicted_pixels) == (11600, 6600)
    assert (liver.slices, liver.volumes) == (2, 2)
    assert math.isnan(kidney.dice)
    assert (kidney.slices, kidney.volumes) == (0, 0)


def test_thresholds_are_strict(organs):
    pooled = PooledDice(organs)
    truth = volume((10, 10), (101, 1), (30, 30))  # 100: left out; 101 and 900: kept
    pooled.add(np.ones_like(truth), truth)
    liver = pooled.result()[0]
    assert liver.slices == 2
    assert liver.true_pixels == 1001
    assert liver.predicted_pixels == 2 * 256 * 256  # the dropped slice's are not counted

    pooled = PooledDice(organs)
    pooled.add(volume((25, 40)), volume((25, 40)))  # 1000 voxels: the volume is left out
    assert pooled.result()[0].volumes == 0


def test_slices_are_resized_and_counted_after_it(organs):
    pooled = PooledDice(organs)
    # 34 x 30 voxels at 512 are 17 x 15 = 255 pixels at 256; 18 x 20 are 9 x 10 = 90.
    truth = volume((34, 30), (18, 20), size=512)
    pooled.add(truth[:, ::-1][:, ::-1], truth)
    liver = pooled.result()[0]
    assert (liver.dice, liver.true_pixels, liver.slices) == (1.0, 255, 1)


def test_an_organ_counts_by_its_own_slices(organs):
    pooled = PooledDice(organs)
    truth = volume((60, 60), (5, 5))
    truth[1, 100:150, 100:150] = 4
    prediction = np.where(truth == 4, 0, truth)
    pooled.add(prediction, truth)
    liver, _, aorta = pooled.result()
    assert (liver.dice, liver.slices) == (1.0, 1)
    assert (aorta.dice, aorta.true_pixels, aorta.predicted_pixels) == (0.0, 2500, 0)


def test_bad_input(organs):
    with pytest.raises(CobotError, match=r"\(Z, H, W\)"):
        PooledDice(organs).add(volume((1, 1)), volume((1, 1), (1, 1)))
