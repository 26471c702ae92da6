"""Masks of parts of a scene, against whole arrays and PyTorch's interpolation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from monai_cobot.scenes import Scene
from monai_cobot.scenes.area import Area
from monai_cobot.scenes.instances import Instance, Painting, merge_instances
from monai_cobot.scenes.masks import CoarseMask, ExactMask
from tests.scenes.scenes import write_scene

SIZE = (60, 90)
WHOLE = Area(0, 0, *SIZE)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    picture = np.ones(SIZE, np.uint8)
    picture[:, 40:44] = 0
    return Scene(write_scene(tmp_path / "scene.tif", picture, nodata=0))


def test_exact_masks_come_back() -> None:
    mask = np.random.default_rng(0).random((30, 20)) > 0.7
    mask[:5] = mask[:, -3:] = False
    part = ExactMask(mask, Area(10, 50, 40, 70))
    whole = np.zeros(SIZE, bool)
    whole[10:40, 50:70] = mask
    assert np.array_equal(part.mask(WHOLE), whole)
    area = Area(12, 44, 33, 61)
    assert np.array_equal(part.mask(area), whole[area.within(WHOLE)])
    assert part.bounds.top >= 15
    assert part.bounds.right <= 67


@pytest.mark.parametrize("size", [(7, 11), (20, 31), (1, 1)])
def test_coarse_masks_are_interpolated_as_torch_does(scene: Scene, size: tuple[int, int]) -> None:
    area = Area(3, 10, 52, 85)
    logits = torch.randn(size, generator=torch.Generator().manual_seed(1)) - 0.3
    logits[0, 0] = 1
    smooth = F.interpolate(logits[None, None], area.shape, mode="bilinear", align_corners=False)
    whole = np.zeros(SIZE, bool)
    whole[area.within(WHOLE)] = smooth[0, 0].numpy() > 0
    whole[:, 40:44] = False  # no data
    part = CoarseMask(logits.numpy(), area, scene)
    assert np.array_equal(part.mask(WHOLE), whole)
    for block in WHOLE.blocks(25):
        assert np.array_equal(part.mask(block), whole[block.within(WHOLE)])


def test_a_coarse_mask_keeps_only_what_it_needs(scene: Scene) -> None:
    logits = np.full((30, 45), -1, np.float32)
    logits[20:22, 5:9] = 2
    part = CoarseMask(logits, WHOLE, scene)
    torch_mask = F.interpolate(torch.from_numpy(logits)[None, None], SIZE, mode="bilinear")
    wanted = torch_mask[0, 0].numpy() > 0
    assert np.array_equal(part.mask(WHOLE), wanted & scene.valid(WHOLE))
    assert part.bounds.shape[0] < 15
    assert part.bounds.shape[1] < 20


def block(x0: int, y0: int, x1: int, y1: int, order: int, label: int = 1, score=None) -> Instance:
    part = ExactMask(np.ones((y1 - y0, x1 - x0), bool), Area(y0, x0, y1, x1))
    return Instance(label, score, order, (part,))


def test_what_a_detector_has_cut_is_one() -> None:
    cut = [
        block(0, 0, 20, 10, 0, score=0.5),
        block(9, 0, 29, 10, 1, score=0.7),  # 11 of 20 columns in common
        block(18, 0, 38, 10, 2),  # one with the second alone
        block(50, 0, 60, 10, 3),
        block(55, 0, 65, 10, 4),  # exactly half: not above it
        block(0, 0, 20, 10, 5, label=2),  # another class
        block(52, 2, 54, 4, 6),  # a part of the fourth
    ]
    found = merge_instances(cut)
    assert [(f.order, f.label, f.boxes, f.pixels) for f in found] == [
        (0, 1, 3, 380), (3, 1, 2, 100), (4, 1, 1, 100), (5, 2, 1, 200),
    ]  # fmt: skip
    assert found[0].score == 0.7
    assert found[1].score is None
    assert len(merge_instances(cut, 0.6)) == 6
    assert len(merge_instances(cut, 0.4)) == 3


def test_smaller_instances_are_on_top() -> None:
    painting = Painting([block(0, 0, 10, 10, 0), block(2, 2, 4, 4, 1), block(8, 8, 18, 18, 2)])
    painted = painting(WHOLE)
    assert painted[3, 3] == 2
    assert painted[9, 9] == 1  # of one size: the first
    assert (painted[0, 0], painted[12, 12], painted[30, 30]) == (1, 3, 0)
    assert np.array_equal(painting(Area(3, 3, 12, 11)), painted[3:12, 3:11])
