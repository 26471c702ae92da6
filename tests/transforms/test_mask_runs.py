"""Masks as run lengths are the masks, and a sample made of them is the sample."""

from __future__ import annotations

import pickle

import pytest
import torch

from monai_cobot.transforms import boxes_from_masks, slice_transforms
from monai_cobot.transforms.mask_runs import PART, MaskRuns, mask_parts

COUNT, SIZE = 2 * PART + 3, (30, 45)


@pytest.fixture
def masks() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    found = (torch.rand(COUNT, *SIZE, generator=generator) > 0.9).to(torch.uint8)
    found[3] = 0
    found[3, 7, 9] = 1  # a single pixel
    return found


@pytest.fixture
def runs(masks: torch.Tensor) -> MaskRuns:
    return MaskRuns((mask.numpy() for mask in masks), SIZE)


def test_they_are_decoded_to_what_they_were(masks: torch.Tensor, runs: MaskRuns) -> None:
    assert runs.shape == tuple(masks.shape)
    assert torch.equal(torch.stack(list(runs)), masks)
    assert torch.equal(runs[COUNT - 1], masks[-1])
    places = torch.tensor([5, 0, 5])
    assert torch.equal(torch.stack(list(runs[places])), masks[places])
    assert torch.equal(torch.stack(list(pickle.loads(pickle.dumps(runs))[2:4])), masks[2:4])
    assert [len(part) for part in mask_parts(runs)] == [PART, PART, 3]
    assert torch.equal(torch.cat([boxes_from_masks(part) for part in mask_parts(runs)]),
                       boxes_from_masks(masks))  # fmt: skip
    assert list(MaskRuns([], SIZE).parts()) == []


@pytest.mark.parametrize("most", [None, 4])
def test_a_sample_is_the_same(masks: torch.Tensor, runs: MaskRuns, most: int | None) -> None:
    """Boxes, jitter, choice, organ masks and targets."""
    samples = []
    for kept in (masks, runs):
        transform = slice_transforms(64, {"mode": "outward", "size": 50}, most, [1, 2])
        transform.set_random_state(seed=4)
        samples.append(
            transform(
                {
                    "image": torch.zeros(3, *SIZE, dtype=torch.uint8),
                    "masks": kept,
                    "organs": torch.arange(COUNT) % 2 + 1,
                    "instances": torch.arange(COUNT),
                }
            )
        )
    plain, packed = samples
    assert isinstance(packed["target"], MaskRuns)
    assert torch.equal(torch.stack(list(packed["target"])), plain["target"])
    for key in ("image", "boxes", "organs", "instances", "organ_target"):
        assert torch.equal(packed[key], plain[key]), key


def test_a_picture_without_targets() -> None:
    sample = slice_transforms(64)(
        {
            "image": torch.zeros(3, *SIZE, dtype=torch.uint8),
            "masks": MaskRuns([], SIZE),
            "organs": torch.zeros(0, dtype=torch.int64),
        }
    )
    assert sample["boxes"].shape == (0, 4)
    assert len(sample["target"]) == 0
