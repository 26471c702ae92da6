"""Learned organ prompts: what they answer, what they leave alone, and their files."""

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
    load_adapter,
    make_manifest,
    save_adapter,
)
from monai_cobot.sam.organ_prompts import ABSENT_BELOW, ABSENT_LOGIT, silence_absent
from monai_cobot.sam.promptable import upscale

ORGANS = 3
# Batches of another size take other matrix products: single precision, sums of some hundred terms.
TOLERANCE = 1e-5


def build(prompts: str = "both", method: str = "lora", seed: int = 0) -> CobotSAM:
    model = build_adapted_sam(
        "tiny", "random", 64, method, orchestrate=False, seed=seed, prompts=prompts, organs=ORGANS
    )
    return model.eval()


@pytest.fixture
def model(tiny_size: SAMSize) -> CobotSAM:
    return build()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(4))


BOXES = [torch.tensor([[4.0, 6, 30, 40], [20, 20, 60, 50]]), torch.tensor([[1.0, 2, 50, 60]])]


@torch.no_grad()
def test_an_organ_is_answered_as_the_decoder_answers_its_tokens(
    model: CobotSAM, image: Tensor
) -> None:
    """segment-anything's own decoder, image by image and organ by organ."""
    sam, found = model.sam, model.embed(image).organ_answers()
    no_mask = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, 4, 4)
    for number, embedding in enumerate(sam.image_encoder(image)):
        for organ, tokens in enumerate(model.organ_prompts.embedding):
            masks, quality = sam.mask_decoder(
                image_embeddings=embedding[None],
                image_pe=sam.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=tokens[None],
                dense_prompt_embeddings=no_mask,
                multimask_output=False,
            )
            expected = torch.nn.functional.interpolate(masks, (64, 64), mode="bilinear")[0, 0]
            assert (found.logits[number, organ] - expected).abs().max() < TOLERANCE
            assert (found.quality[number, organ] - quality[0, 0]).abs() < TOLERANCE


@torch.no_grad()
def test_boxes_are_answered_as_without_organ_prompts(model: CobotSAM, image: Tensor) -> None:
    plain = build("box")
    assert torch.equal(model(image, BOXES), plain(image, BOXES))
    together = model.embed(image).box_answers(BOXES).logits
    assert torch.equal(together, plain(image, BOXES))


@torch.no_grad()
def test_an_image_alone_gives_all_organs_and_silence_where_absent(
    model: CobotSAM, image: Tensor
) -> None:
    found = model.embed(image).organ_answers()
    alone = model(image)
    assert alone.shape == (2, ORGANS, 64, 64)
    for number in range(2):
        for organ in range(ORGANS):
            if found.quality[number, organ] >= ABSENT_BELOW:
                assert torch.equal(alone[number, organ], found.logits[number, organ])
            else:
                assert bool((alone[number, organ] == ABSENT_LOGIT).all())


@pytest.mark.parametrize("chunk", [1, 2, 4, 6, 64])
@torch.no_grad()
def test_of_absent_organs_no_mask_is_made(
    model: CobotSAM, image: Tensor, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """All six are decoded, ``chunk`` at a time; those that are there are brought to full size."""
    expected = model.embed(image).organ_answers()
    first, second = expected.quality.flatten().sort().values[2:4]
    between = float(first + second) / 2  # three organs are there
    monkeypatch.setattr("monai_cobot.sam.organ_prompts.ABSENT_BELOW", between)
    full_size, decoded = [], []

    def upscale_counted(masks: Tensor, image: Tensor) -> Tensor:
        full_size.append(masks.shape[0] * masks.shape[1])
        return upscale(masks, image)

    monkeypatch.setattr("monai_cobot.sam.embedded.upscale", upscale_counted)
    model.sam.mask_decoder.transformer.register_forward_pre_hook(
        lambda _, inputs: decoded.append(len(inputs[0]))
    )
    found = model.embed(image).found_organs(chunk)
    assert sum(full_size) == 3
    assert sum(decoded) == 2 * ORGANS
    assert max(decoded) == min(chunk, 2 * ORGANS)
    for number, organs in enumerate(found):
        there = torch.nonzero(expected.quality[number] > between)[:, 0]
        assert torch.equal(organs.places, there)
        for name in ("logits", "quality"):
            wanted = getattr(expected, name)[number, there]
            assert getattr(organs, name).shape == wanted.shape
            torch.testing.assert_close(getattr(organs, name), wanted, rtol=0, atol=TOLERANCE)


@torch.no_grad()
def test_all_organs_absent(model: CobotSAM, image: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_cobot.sam.organ_prompts.ABSENT_BELOW", float("inf"))
    for found in model.embed(image).found_organs():
        assert [tuple(value.shape) for value in found] == [(0,), (0, 64, 64), (0,)]


def test_silence() -> None:
    logits = torch.ones(1, 2, 2, 2)
    quality = torch.tensor([[ABSENT_BELOW, ABSENT_BELOW - 0.01]])
    assert silence_absent(logits, quality)[0, :, 0, 0].tolist() == [1.0, ABSENT_LOGIT]


@torch.no_grad()
def test_slices_without_boxes(model: CobotSAM, image: Tensor) -> None:
    none = torch.zeros(0, 4)
    embedded = model.embed(image)
    found = embedded.box_answers([none, none])
    assert found.logits.shape == (0, 1, 64, 64)
    assert found.quality.shape == (0,)
    assert embedded.organ_answers().logits.shape == (2, ORGANS, 64, 64)
    half = embedded.box_answers([none, BOXES[1]])
    assert (half.logits - model(image[1:], BOXES[1:])).abs().max() < TOLERANCE


@pytest.mark.parametrize("prompts", ["box", "both"])
@torch.no_grad()
def test_a_traced_network_takes_any_batch(tiny_size: SAMSize, image: Tensor, prompts: str) -> None:
    model = build(prompts)
    traced = torch.jit.trace(model, image[:1], check_trace=False)
    for batch in (image[:1], image, torch.cat([image, image.flip(3)])):
        assert (traced(batch) - model(batch)).abs().max() < TOLERANCE


def test_prompts_are_trained_and_kept_with_the_adapter(
    tiny_size: SAMSize, image: Tensor, tmp_path: Path
) -> None:
    model = build()
    assert model.trainable_parameters()["organ_prompts"] == ORGANS * 2 * 16
    groups = {g["name"]: g for g in model.parameter_groups(1e-4, 1e-3, 5e-4, 2e-3)}
    (embedding,) = groups["prompt_lr"]["params"]
    assert embedding is model.organ_prompts.embedding
    assert (groups["prompt_lr"]["lr"], groups["prompt_lr"]["weight_decay"]) == (2e-3, 0.0)
    with torch.no_grad():
        embedding.add_(torch.randn(embedding.shape))
    organs = {"liver": 1, "spleen": 2, "aorta": 5}
    manifest = make_manifest(model, organs=organs)
    save_adapter(model, tmp_path / "a.safetensors", manifest)
    again = build_from_adapter(tmp_path / "a.safetensors", "random").eval()
    with torch.no_grad():
        assert torch.equal(again(image), model(image))
    with pytest.raises(CobotError, match=r"prompts 'both' \(file\) and 'box' \(here\)"):
        load_adapter(build("box"), tmp_path / "a.safetensors")


def test_organs_start_apart_and_known_from_the_seed(tiny_size: SAMSize) -> None:
    one, same, other = build(seed=1), build(seed=1), build(seed=2)
    start = one.organ_prompts.embedding
    assert torch.equal(start, same.organ_prompts.embedding)
    assert not torch.equal(start, other.organ_prompts.embedding)
    assert not torch.equal(start[0], start[1])


def test_freeze_trains_none(tiny_size: SAMSize) -> None:
    assert not any(p.requires_grad for p in build(method="freeze").parameters())


def test_unknown_prompts_and_no_organs_are_refused(tiny_size: SAMSize) -> None:
    with pytest.raises(CobotError, match="prompts='points': choose one of box, organ, both"):
        build("points")
    with pytest.raises(CobotError, match="organ prompts need the organ table"):
        build_adapted_sam("tiny", "random", 64, prompts="organ")
