"""Networks and batches of training steps, all random: time does not depend on the values."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from harness import Settings
from monai.losses import DiceCELoss
from torch import Tensor, nn
from torch.nn import functional as F

from monai_cobot.peft import LoRALinear
from monai_cobot.sam import LossNetwork, build_adapted_sam

CHUNK = 64
"""Boxes decoded in one batch: as many as there are here."""


class TwoAdditions(LoRALinear):
    """The usual LoRA: two products, added to slices of q, k and v."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight, self.bias)
        width = y.shape[-1] // 3
        y[..., :width] += self.lora_q(x)
        y[..., 2 * width :] += self.lora_v(x)
        return y


class Slice(NamedTuple):
    """A slice in the model frame: image (1, 3, S, S), boxes (P, 4) and masks (P, S, S)."""

    image: Tensor
    boxes: Tensor
    masks: Tensor


def slice_of(side: int, organs: int, device: str) -> Slice:
    """A random slice with so many rectangles."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(organs, 2, 2, generator=generator) * side * 0.75
    boxes = corners[:, 0].repeat(1, 2)
    boxes[:, 2:] += side // 8 + side // 8 * torch.rand(organs, 2, generator=generator)
    masks = torch.zeros(organs, side, side, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.long().tolist(), strict=True):
        mask[y0:y1, x0:x1] = 1
    image = torch.randn(1, 3, side, side, generator=generator)
    return Slice(image.to(device), boxes.to(device), masks.to(device))


def training_network(
    settings: Settings,
    attention: str = "auto",
    precision: str = "fp32",
    method: str = "lora",
    orchestrate: bool = False,
    two_additions: bool = False,
    side: int | None = None,
) -> LossNetwork:
    """A network with its loss; what starts at zero is moved away from there."""
    model = build_adapted_sam(
        settings.sam, "random", side or settings.side, method,
        orchestrate=orchestrate, precision=precision, attention=attention,
    )  # fmt: skip
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".up." in name:
            nn.init.normal_(parameter, std=0.02)
    if two_additions:
        for block in model.sam.image_encoder.blocks:
            block.attn.qkv.__class__ = TwoAdditions
    loss = DiceCELoss(sigmoid=True, squared_pred=True)
    # In evaluation mode for the sake of comparison: without dropout.
    return LossNetwork(model, loss, chunk=CHUNK).to(settings.device).eval()


def step(network: LossNetwork, batch: Slice, organs: slice = slice(None)) -> Tensor:
    """Forward and backward over some of a slice's organs; the loss. Gradients add up."""
    loss: Any = network(batch.image, [batch.boxes[organs]], [batch.masks[organs]])
    loss.backward()
    return loss.detach()
