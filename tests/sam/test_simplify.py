"""Fold and merge are exact, and merged files load in stock segment-anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from segment_anything import sam_model_registry
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam import (
    CobotSAM,
    build_adapted_sam,
    build_architecture,
    decode_boxes,
    fold,
    for_inference,
    load_base,
    merge,
    predict_masks,
    save_merged,
)
from monai_cobot.sam.precision import precision_of
from tests.sam.conftest import TINY, Build

# What is exact on paper differs by rounding: the products are taken in another order, on each
# processor and with each number of threads in one of its own. Double precision shows that the
# algebra is right. In single precision these models are themselves up to 4e-6 from what they are in
# double (DoRA); two forms, each with such an error, are within the sum of both.
RELATIVE = {torch.float32: 1e-5, torch.float64: 1e-12}


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


def in_precision(model: CobotSAM, dtype: torch.dtype) -> CobotSAM:
    """SAM's prompt encoder computes its sines in single precision whatever the weights are."""
    model.to(dtype)
    model.sam.prompt_encoder.pe_layer.float()
    return model


def randomise(model: CobotSAM) -> CobotSAM:
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and "mask_decoder" not in name:  # fold and merge leave it
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "method", ["lora", "adaptformer", "dora", "bitfit", "ssf", "attention_tuning"]
)
def test_fold_is_exact(
    build_tiny: Build, method: str, dtype: torch.dtype, images: Tensor, boxes: list[Tensor]
) -> None:
    model = in_precision(build_tiny(method, orchestrate=True, trained=True), dtype)
    images, boxes = images.to(dtype), [b.to(dtype) for b in boxes]
    folded = fold(model)
    assert not folded.orchestrated
    assert model.orchestrated
    assert not [key for key in folded.state_dict() if "orchestrator" in key]
    with torch.no_grad():
        encoder = relative_difference(
            folded.sam.image_encoder(images), model.sam.image_encoder(images)
        )
        masks = relative_difference(folded(images, boxes), model(images, boxes))
    assert encoder < RELATIVE[dtype]
    assert masks < RELATIVE[dtype]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("method", "orchestrate"),
    [(name, on) for name in ("lora", "dora", "bitfit", "ssf", "attention_tuning")
     for on in (False, True)] + [("full", False), ("lightweight", False)],
)  # fmt: skip
def test_merge_is_exact_and_has_sams_keys(
    build_tiny: Build,
    method: str,
    orchestrate: bool,
    dtype: torch.dtype,
    images: Tensor,
    boxes: list[Tensor],
) -> None:
    model = in_precision(build_tiny(method, orchestrate=orchestrate, trained=True), dtype)
    images, boxes = images.to(dtype), [b.to(dtype) for b in boxes]
    merged = merge(model)
    stock = build_architecture(TINY).to(dtype)
    stock.prompt_encoder.pe_layer.float()
    stock.load_state_dict(merged.state_dict(), strict=True)
    with torch.no_grad():
        difference = relative_difference(predict_masks(stock, images, boxes), model(images, boxes))
    assert difference < RELATIVE[dtype]


def test_fold_and_merge_leave_the_model_alone_and_repeat(build_tiny: Build) -> None:
    model = build_tiny("lora", orchestrate=True, trained=True)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    once, again, thrice = merge(model), merge(model), merge(fold(fold(model)))
    for key, value in once.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
        assert torch.equal(value, thrice.state_dict()[key])
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


def test_adaptformer_cannot_be_merged(build_tiny: Build) -> None:
    with pytest.raises(CobotError, match=r"'adaptformer' cannot be merged .*lora"):
        merge(build_tiny("adaptformer"))


def test_rounded_base_weights_are_not_merged(build_tiny: Build, tmp_path: Path) -> None:
    model = build_tiny("lora", orchestrate=True, precision="bf16")
    rounded = r"built with precision: bf16 .* rounded\. Build it with precision: fp32"
    with pytest.raises(CobotError, match=rounded):
        merge(model)
    with pytest.raises(CobotError, match=rounded):
        save_merged(model, tmp_path / "merged.pth")
    assert not list(tmp_path.iterdir())
    with pytest.raises(CobotError, match=f"cannot compute in fp32.*{rounded[-20:]}"):
        for_inference(model, "fp32")


# bfloat16 keeps 8 bits: a relative error of 2^-9 a weight and a product, through three blocks.
ROUNDED = 3e-2


@pytest.mark.parametrize("built", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["lora", "adaptformer"])
def test_inference_in_the_precision_that_was_asked_for(
    build_tiny: Build, images: Tensor, built: str, method: str
) -> None:
    """Also of a model that was trained in bfloat16; what cannot be merged is folded."""
    model = build_tiny(method, orchestrate=True, trained=True, precision=built)
    exact = build_tiny(method, orchestrate=True, trained=True)
    found = for_inference(model, "bf16")
    assert precision_of(found.sam) == "bf16"
    assert precision_of(model.sam) == built
    projections = [block.attn.proj.weight.dtype for block in found.sam.image_encoder.blocks]
    assert set(projections) == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in found.parameters())
    with torch.no_grad():
        expected = exact.embed(images).embeddings
        difference = relative_difference(found.embed(images).embeddings.float(), expected)
        assert 1e-4 < difference < ROUNDED  # it does compute in bfloat16
        if built == "fp32":
            single = for_inference(model)
            assert precision_of(single.sam) == "fp32"
            assert {p.dtype for p in single.parameters()} == {torch.float32}
            assert relative_difference(single.embed(images).embeddings, expected) < 1e-5


def test_merged_file_says_where_it_loads(
    tmp_path: Path, build_tiny: Build, images: Tensor, boxes: list[Tensor]
) -> None:
    model = build_tiny("lora", orchestrate=True, trained=True)
    file = tmp_path / "merged.pth"
    save_merged(model, file)
    manifest = json.loads((tmp_path / "merged.pth.json").read_text())
    assert manifest["loads_in"] == "segment_anything classes of tiny built at image_size 64"
    stock = build_architecture(TINY)
    stock.load_state_dict(torch.load(file, weights_only=True), strict=True)
    with torch.no_grad():
        assert torch.equal(
            predict_masks(stock, images, boxes), predict_masks(merge(model), images, boxes)
        )
    with pytest.raises(CobotError, match=r"merged\.pth exists"):
        save_merged(model, file)


def test_merged_at_1024_loads_in_the_stock_registry(tmp_path: Path) -> None:
    """ViT-B: exactly SAM's keys, and the weights that stock reads are the merged ones."""
    model = randomise(build_adapted_sam("vit_b", "random", 1024, "lora", orchestrate=True))
    file = tmp_path / "merged.pth"
    manifest = save_merged(model, file)
    assert manifest["loads_in"].endswith("(the registry's own)")
    stock = sam_model_registry["vit_b"](checkpoint=str(file))
    merged = merge(model).state_dict()
    assert stock.state_dict().keys() == merged.keys()
    for key, value in stock.state_dict().items():
        assert torch.equal(value, merged[key]), key


@pytest.mark.slow
def test_merged_vit_b_at_1024_gives_the_same_masks_in_stock(tmp_path: Path) -> None:
    model = randomise(build_adapted_sam("vit_b", "random", 1024, "lora", orchestrate=True))
    file = tmp_path / "merged.pth"
    save_merged(model, file)
    stock = sam_model_registry["vit_b"](checkpoint=str(file))
    raw = torch.randint(0, 256, (3, 1024, 1024), generator=torch.Generator().manual_seed(8)).float()
    box = torch.tensor([[100.0, 200.0, 600.0, 700.0]])
    with torch.no_grad():
        theirs = stock(
            [{"image": raw, "boxes": box, "original_size": (1024, 1024)}], multimask_output=False
        )[0]["low_res_logits"]
        image = stock.preprocess(raw)[None]
        ours, _ = decode_boxes(model.sam, model.sam.image_encoder(image), box)
    assert relative_difference(ours, theirs) < RELATIVE[torch.float32]


@pytest.mark.parametrize("image_size", [256, 512])
def test_merged_at_another_size_loads_in_classes_of_that_size(
    tmp_path: Path, image_size: int
) -> None:
    settings = {"method": "lora", "orchestrate": True}
    model = randomise(build_adapted_sam("small", image_size=image_size, **settings))
    manifest = save_merged(model, tmp_path / "m.pth")
    assert f"built at image_size {image_size}" in manifest["loads_in"]
    network, _ = load_base("small", tmp_path / "m.pth", image_size)
    image = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(9))
    boxes = [torch.tensor([[50.0, 60.0, 200.0, 210.0]])]
    folded = fold(model)
    with torch.no_grad():
        expected = model.sam.image_encoder(image)
        for other in (network, folded.sam):
            encoder = relative_difference(other.image_encoder(image), expected)
            assert encoder < RELATIVE[torch.float32]
            masks = relative_difference(predict_masks(other, image, boxes), model(image, boxes))
            assert masks < RELATIVE[torch.float32]
