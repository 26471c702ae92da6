"""SAM's image encoder by the name of its maker, and a run of it; random weights, one image."""

from __future__ import annotations

from typing import Any

import torch
from authors import of_checkout
from tiny import TINY
from torch import Tensor, nn

from monai_cobot import peft
from monai_cobot.peft import LoRAConfig, LoRALinear
from monai_cobot.sam import SIZES, build_architecture, speed_up

SIZES.setdefault(TINY.name, TINY)

PASSES = ("forward", "forward+backward")


def build(name: str, sam: str, side: int, lora: bool, device: str, checkout: str = "") -> nn.Module:
    """An encoder by the name of its maker, its relative positions away from zero.

    ``peft`` is Hugging Face's with the LoRA of their peft; ``authors`` that of a checkout.
    """
    torch.manual_seed(0)
    if name in ("huggingface", "peft"):
        encoder = hugging_face(sam, side)
    else:
        encoder = of_checkout(checkout, sam, side) if name == "authors" else ours(name, sam, side)
    for key, parameter in encoder.named_parameters():
        if "pos" in key:
            nn.init.trunc_normal_(parameter, std=0.02)
    encoder.requires_grad_(False)
    if lora and name == "huggingface":
        for layer in encoder.get_submodule("layers").children():
            layer.attn.qkv = LoRALinear(layer.attn.qkv, LoRAConfig())
    elif lora and name == "peft":
        from peft import LoraConfig, inject_adapter_in_model

        inject_adapter_in_model(LoraConfig(r=4, target_modules=["qkv"]), encoder)
    elif lora:
        peft.get("lora").inject(encoder, LoRAConfig())
    for key, parameter in encoder.named_parameters():
        if ".up." in key or "lora_B" in key:
            nn.init.normal_(parameter, std=0.02)
    return encoder.to(device)


def ours(name: str, sam: str, side: int) -> nn.Module:
    encoder: nn.Module = build_architecture(SIZES[sam], side).image_encoder
    speed_up(encoder, "stock" if name == "stock" else "auto", name.endswith("checkpointed"))
    return encoder


def hugging_face(sam: str, side: int) -> nn.Module:
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    size = SIZES[sam]
    config = SamVisionConfig(
        hidden_size=size.width, num_hidden_layers=size.depth, num_attention_heads=size.heads,
        image_size=side, window_size=size.window, global_attn_indexes=list(size.global_blocks),
        mlp_dim=4 * size.width, output_channels=size.decoder_width,
    )  # fmt: skip
    config._attn_implementation = "sdpa"
    encoder: nn.Module = SamVisionEncoder(config)
    return encoder


def run(encoder: nn.Module, image: Tensor, weights: Tensor | None) -> None:
    """A forward, with backward where there are weights for a sum of the output."""
    with torch.set_grad_enabled(weights is not None):
        found: Any = encoder(image)
        found = found if isinstance(found, Tensor) else found.last_hidden_state
        if weights is not None:
            (found * weights).sum().backward()


def inputs(sam: str, side: int, backward: bool, device: str) -> tuple[Tensor, Tensor | None]:
    grid = side // SIZES[sam].patch
    image = torch.randn(1, 3, side, side, device=device)
    weights = torch.randn(1, SIZES[sam].decoder_width, grid, grid, device=device)
    return image, weights if backward else None
