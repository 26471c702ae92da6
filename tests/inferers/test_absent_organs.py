"""Organ prompts of a real network in the inferers: what is absent is not painted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_cobot.inferers import PromptedImageInferer, PromptedVolumeInferer
from monai_cobot.sam import SIZES, CobotSAM, build_adapted_sam, organ_prompts
from monai_cobot.transforms import SAMFrame, volume_to_slices
from tests.tiny_sam import TINY

X, Y, Z = 32, 24, 5
LABELS = [3, 7, 9]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> CobotSAM:
    """Thinks that half of the organs are on the slices of ``volume``, as the test has it."""
    monkeypatch.setitem(SIZES, "tiny", TINY)
    built = build_adapted_sam("tiny", "random", 64, prompts="organ", organs=len(LABELS)).eval()
    with torch.no_grad():  # organs that differ, and masks above 0
        noise = torch.randn(3, 2, 16, generator=torch.Generator().manual_seed(1))
        built.organ_prompts.embedding.add_(noise)
        rated = answers(built)[1].flatten().sort().values
    middle = len(rated) // 2
    between = float(rated[middle - 1 : middle + 1].mean())
    monkeypatch.setattr("monai_cobot.sam.organ_prompts.ABSENT_BELOW", between)
    return built


def decoded(network: CobotSAM) -> list[int]:
    """The sizes of the decoder's batches from now on."""
    sizes: list[int] = []
    network.sam.mask_decoder.transformer.register_forward_pre_hook(
        lambda _, inputs: sizes.append(len(inputs[0]))
    )
    return sizes


def volume() -> Tensor:
    return 255 * torch.rand(1, 1, X, Y, Z, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def answers(network: CobotSAM) -> tuple[Tensor, Tensor]:
    """Logits (Z, K, Y, X) and quality (Z, K) of all organs, absent or not, slice by slice."""
    frame = SAMFrame(Y, X, 64)
    found = [
        network.embed(frame.image_to_model(one)[None]).organ_answers()
        for one in volume_to_slices(volume()[0])
    ]
    logits = [frame.logits_to_slice(answer.logits[0]) for answer in found]
    return torch.stack(logits), torch.cat([answer.quality for answer in found])


def expected_map(network: CobotSAM, absent: bool) -> Tensor:
    """Label maps (Z, Y, X), with or without the organs that are absent."""
    logits, quality = answers(network)
    if not absent:
        logits = logits.masked_fill(
            (quality < organ_prompts.ABSENT_BELOW)[..., None, None], -torch.inf
        )
    highest, place = logits.max(dim=1)
    return torch.where(highest > 0, torch.tensor(LABELS)[place], 0).to(torch.uint8)


@pytest.mark.parametrize(("batch", "chunk"), [(1, 64), (1, 2), (4, 5), (8, 64)])
def test_absent_organs_are_not_in_the_volume(network: CobotSAM, batch: int, chunk: int) -> None:
    inferer = PromptedVolumeInferer(
        64, prompts="organ", organ_labels=LABELS, batch=batch, chunk=chunk
    )
    sizes = decoded(network)
    found = volume_to_slices(inferer(volume(), network, {})[0])[:, 0]
    assert max(sizes) == min(chunk, min(batch, Z) * len(LABELS))
    assert sum(sizes) == Z * len(LABELS)
    expected = expected_map(network, absent=False)
    assert not torch.equal(expected, expected_map(network, absent=True))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("chunk", [1, 2, 64])
def test_absent_organs_are_not_in_the_picture(network: CobotSAM, chunk: int) -> None:
    inferer = PromptedImageInferer(64, prompts="organ", organ_labels=LABELS, chunk=chunk)
    expected = expected_map(network, absent=False)
    quality = answers(network)[1]
    for z, picture in enumerate(volume_to_slices(volume()[0])):
        sizes = decoded(network)
        masks = inferer(picture[None], network, torch.zeros(0, 4))
        assert max(sizes) == min(chunk, len(LABELS))
        for label, mask in zip(LABELS, masks, strict=True):
            assert torch.equal(mask.bool(), expected[z] == label)
        absent = quality[z] < organ_prompts.ABSENT_BELOW
        torch.testing.assert_close(inferer.quality, quality[z].masked_fill(absent, 0.0))
