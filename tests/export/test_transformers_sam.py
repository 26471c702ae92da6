"""SAM in transformers: the same weights under other names, and the same masks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.export import sam_config, to_transformers
from monai_cobot.export.transformers_sam import save_base
from monai_cobot.sam import (
    SAMSize,
    build_architecture,
    build_random,
    decode_prompts,
    get_size,
    load_base,
)
from monai_cobot.transforms import SAMFrame
from tests.tiny_sam import TINY

transformers = pytest.importorskip("transformers")

# The libraries sum in another order; issue: masks differ by less than 1e-5.
RELATIVE = 1e-5


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h", "small", "tiny"])
def test_keys_and_shapes_are_those_of_transformers(name: str) -> None:
    size = get_size(name)
    with torch.device("meta"):
        ours = build_architecture(size).state_dict()
        theirs = transformers.SamModel(transformers.SamConfig(**sam_config(size))).state_dict()
    renamed = to_transformers(ours)
    assert {k: v.shape for k, v in renamed.items()} == {k: v.shape for k, v in theirs.items()}


def test_vit_b_has_the_numbers_that_transformers_has_for_it() -> None:
    """transformers' defaults are ViT-B's, but for the decoder's epsilon."""
    ours = transformers.SamConfig(**sam_config(get_size("vit_b"))).to_dict()
    defaults = transformers.SamConfig().to_dict()
    stock = build_architecture(TINY).mask_decoder.transformer.layers[0].norm1
    assert ours["mask_decoder_config"].pop("layer_norm_eps") == stock.eps
    defaults["mask_decoder_config"].pop("layer_norm_eps")
    assert ours == defaults


@pytest.mark.parametrize("prompt", ["boxes", "points", "mask"])
@pytest.mark.parametrize(("size", "side"), [(TINY, 64), (TINY, 96), (get_size("small"), 128)])
def test_base_gives_the_same_masks(tmp_path: Path, size: SAMSize, side: int, prompt: str) -> None:
    """All four masks and their qualities; at another input size too."""
    sam, _ = load_base(size.name, "random" if size is TINY else None, side)
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():  # the decoder's are 0 and 1 at the start, and would hide a swap
        for module in sam.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.bias.normal_(std=0.1, generator=noise)
    save_base(sam, size, tmp_path / "base")
    theirs = transformers.SamModel.from_pretrained(tmp_path / "base").eval()
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(1, 3, side, side, generator=generator)
    boxes = torch.tensor([[4.0, 8.0, 40.0, 50.0]])
    clicks = torch.tensor([[[12.0, 20.0], [30.0, 9.0]]]), torch.tensor([[1, 0]])
    mask = torch.randn(1, 1, side // 4, side // 4, generator=generator)
    ours = {
        "boxes": {"boxes": boxes},
        "points": {"clicks": clicks},
        "mask": {"boxes": boxes, "masks": mask},
    }
    there = {
        "boxes": {"input_boxes": boxes[None]},
        "points": {"input_points": clicks[0][None], "input_labels": clicks[1][None]},
        "mask": {"input_boxes": boxes[None], "input_masks": mask},
    }
    with torch.no_grad():
        masks, quality = decode_prompts(sam, sam.image_encoder(image), **ours[prompt])  # type: ignore[arg-type]
        for choice, multiple in ((slice(0, 1), False), (slice(1, None), True)):
            answer = theirs(pixel_values=image, multimask_output=multiple, **there[prompt])
            assert relative_difference(answer.pred_masks[0], masks[:, choice]) < RELATIVE
            # One quality may be near zero: to the largest of the four.
            difference = (answer.iou_scores[0] - quality[:, choice]).abs().max()
            assert difference < RELATIVE * quality.abs().max()


def test_the_processor_has_sams_frame(tmp_path: Path) -> None:
    """What needs no resizing arrives the same; boxes are scaled alike."""
    save_base(build_random(TINY), TINY, tmp_path / "base")
    processor = transformers.SamProcessor.from_pretrained(tmp_path / "base")
    image = torch.randint(0, 256, (3, 64, 48), generator=torch.Generator().manual_seed(4))
    pixels = image.permute(1, 2, 0).to(torch.uint8).numpy()
    box = [10.0, 20.0, 30.0, 40.0]
    inputs = processor(images=pixels, input_boxes=[[box]], return_tensors="pt")
    frame = SAMFrame(64, 48, 64)
    # one unit of 255 in 1e5: rounding of the normalisation alone
    torch.testing.assert_close(
        inputs["pixel_values"][0], frame.image_to_model(image), atol=1e-5, rtol=0
    )
    assert inputs["input_boxes"].squeeze().tolist() == box


def test_other_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_cobot.export.transformers_sam.RENAMED", ())
    with pytest.raises(CobotError, match=r"names SAM's weights in another way"):
        save_base(build_random(TINY), TINY, tmp_path / "base")
    assert not (tmp_path / "base").exists()
