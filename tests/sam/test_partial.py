"""Methods in the last blocks alone, and the features below them on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam import (
    CobotSAM,
    SAMSize,
    build_adapted_sam,
    build_from_adapter,
    make_manifest,
    merge,
    predict_masks,
    save_adapter,
)
from monai_cobot.sam.partial import embed_features, frozen_blocks, frozen_features

METHODS = ["lora", "dora", "adaptformer", "bitfit", "ssf", "attention_tuning"]
BOXES = [torch.tensor([[4.0, 6, 30, 40], [20, 20, 60, 50]]), torch.tensor([[1.0, 2, 50, 60]])]
# Merged weights take other sums, in single precision.
RELATIVE = 2e-5


def build(method: str = "lora", last_blocks: int | None = 1, **settings: object) -> CobotSAM:
    model = build_adapted_sam("tiny", "random", 64, method, last_blocks=last_blocks, **settings)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.adapter_state().values():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model


def frozen(model: CobotSAM) -> int:
    return frozen_blocks(model.sam.image_encoder, model.adaptation, model.last_blocks)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("orchestrate", [False, True])
def test_only_the_last_blocks_are_trained(
    tiny_size: SAMSize, images: Tensor, tmp_path: Path, method: str, orchestrate: bool
) -> None:
    """Of three blocks the last two; saved, loaded, and the same masks."""
    model = build(method, 2, orchestrate=orchestrate)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    encoder = {name.split(".")[3] for name in trained if "image_encoder" in name}
    in_orchestrator = orchestrate and method in ("bitfit", "ssf")
    assert encoder == (set() if in_orchestrator else {"1", "2"})
    whole = build(method, None, orchestrate=orchestrate)
    parts = [m.trainable_parameters()["peft"] for m in (model, whole)]
    if method != "attention_tuning":  # the global block has larger tables
        assert parts[0] * 3 == parts[1] * 2
    assert frozen(model) == 1
    assert frozen(whole) == 0
    save_adapter(model, tmp_path / "a.safetensors", make_manifest(model))
    again = build_from_adapter(tmp_path / "a.safetensors")
    assert again.last_blocks == 2
    with torch.no_grad():
        assert torch.equal(again.eval()(images, BOXES), model.eval()(images, BOXES))


@torch.no_grad()
def test_it_merges(tiny_size: SAMSize, images: Tensor) -> None:
    model = build("lora", 1, orchestrate=True).eval()
    expected, found = model(images, BOXES), predict_masks(merge(model), images, BOXES)
    assert (found - expected).norm() < RELATIVE * expected.norm()


@pytest.mark.parametrize(
    ("last_blocks", "method", "message"),
    [
        (0, "lora", "last_blocks=0: give a whole number from 1 to 3"),
        (4, "lora", "last_blocks=4: give a whole number from 1 to 3"),
        (True, "lora", "last_blocks=True"),
        (1, "vpt", "method 'vpt' is not put into the blocks one by one"),
        (1, "lst", "method 'lst' is not put into the blocks one by one"),
    ],
)
def test_what_cannot_be(tiny_size: SAMSize, last_blocks: int, method: str, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        build_adapted_sam("tiny", "random", 64, method, last_blocks=last_blocks)


@torch.no_grad()
def test_the_two_halves_are_the_encoder(tiny_size: SAMSize, images: Tensor) -> None:
    encoder = build("freeze", None).sam.image_encoder
    for blocks in range(5):
        features = frozen_features(encoder, images, blocks)
        assert torch.equal(embed_features(encoder, features, blocks), encoder(images))
