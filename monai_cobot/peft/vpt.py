"""VPT (deep): learned prompt tokens at the entrance of every block of SAM's image encoder.

Source: Jia et al., Visual Prompt Tuning, ECCV 2022 (arXiv 2203.12119).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from segment_anything.modeling.image_encoder import (
    Block,
    add_decomposed_rel_pos,
    window_partition,
    window_unpartition,
)
from torch import Tensor, nn

from monai_cobot.errors import CobotError
from monai_cobot.peft.adaptation import Adaptation, replace_in_blocks
from monai_cobot.peft.bottleneck import AdaptedModule
from monai_cobot.peft.registry import YES, Method, no

_UNMERGEABLE = "its prompts are tokens of their own, for which SAM's weights have no place"


@dataclass(frozen=True)
class VPTConfig:
    """Options of VPT.

    Attributes:
        prompts: p, tokens a block; 11 make the paper's 0.10 M on ViT-B.

    Raises:
        CobotError: if a value is out of range.
    """

    prompts: int = 11

    def __post_init__(self) -> None:
        if not isinstance(self.prompts, int) or self.prompts < 1:
            raise CobotError(f"VPT prompts={self.prompts!r}: choose a whole number of at least 1")


class PromptedBlock(nn.Module, AdaptedModule):
    """A block of SAM's image encoder to which every token can attend to p prompts as well.

    In VPT-deep a block gets its own prompts and the next one drops what has become of them, so
    they act as keys and values only. They are normalised by ``norm1`` as all tokens. With windowed
    attention every window sees all p prompts. A prompt has no place in the image: the relative
    positions say nothing about it. The keys of the block stay those of the base.

    Args:
        base: SAM's block; its modules are shared, not copied.
        config: number of prompts.
    """

    def __init__(self, base: nn.Module, config: VPTConfig) -> None:
        super().__init__()
        for name, child in base.named_children():
            self.add_module(name, child)
        self.window_size: Any = base.window_size
        like = self.get_parameter("norm1.weight")
        empty = torch.empty(config.prompts, like.numel(), device=like.device, dtype=like.dtype)
        self.prompts = nn.Parameter(empty)
        # Xavier uniform over a patch of 16 x 16 pixels in three colours, as in the authors' code.
        limit = math.sqrt(6 / (3 * 16 * 16 + like.numel()))
        nn.init.uniform_(self.prompts, -limit, limit)

    def forward(self, x: Tensor) -> Tensor:
        """Attend and project: (B, H, W, D) -> (B, H, W, D)."""
        norm1, attn = self.get_submodule("norm1"), self.get_submodule("attn")
        height, width = x.shape[1:3]
        y, prompts = norm1(x), norm1(self.prompts)
        if self.window_size > 0:
            y, padded = window_partition(y, self.window_size)
            y = attend(attn, y, prompts)
            y = window_unpartition(y, self.window_size, padded, (height, width))
        else:
            y = attend(attn, y, prompts)
        x = x + y
        z: Tensor = x + self.get_submodule("mlp")(self.get_submodule("norm2")(x))
        return z

    def merged(self) -> nn.Module:
        """Refuse: SAM's block has no place for prompts.

        Raises:
            CobotError: always.
        """
        raise CobotError(f"VPT cannot be merged into SAM: {_UNMERGEABLE}; keep its adapter file")


def attend(attn: Any, x: Tensor, prompts: Tensor) -> Tensor:
    """SAM's attention with further keys and values that have no position.

    Args:
        attn: SAM's ``Attention``.
        x: (B, H, W, D), a window or the whole image, normalised.
        prompts: (p, D), normalised.

    Returns:
        (B, H, W, D).
    """
    batch, height, width, features = x.shape
    tokens, heads = height * width, attn.num_heads
    qkv = attn.qkv(x).reshape(batch, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.reshape(3, batch * heads, tokens, -1).unbind(0)
    own = attn.qkv(prompts).reshape(len(prompts), 3, heads, -1).permute(1, 2, 0, 3)
    _, prompt_k, prompt_v = own.repeat(1, batch, 1, 1).unbind(0)  # (B heads, p, D / heads)
    logits = (q * attn.scale) @ k.transpose(-2, -1)
    if attn.use_rel_pos:
        size = (height, width)
        logits = add_decomposed_rel_pos(logits, q, attn.rel_pos_h, attn.rel_pos_w, size, size)
    logits = torch.cat((logits, (q * attn.scale) @ prompt_k.transpose(-2, -1)), dim=-1)
    values = logits.softmax(dim=-1) @ torch.cat((v, prompt_v), dim=-2)
    values = values.reshape(batch, heads, height, width, -1).permute(0, 2, 3, 1, 4)
    projected: Tensor = attn.proj(values.reshape(batch, height, width, features))
    return projected


def inject(encoder: nn.Module, config: VPTConfig) -> Adaptation:
    """Give every block its prompts.

    Args:
        encoder: SAM's image encoder, changed in place.
        config: number of prompts.

    Raises:
        CobotError: if it is no such encoder, or adapted already.
    """
    return replace_in_blocks(encoder, "", Block, lambda block: PromptedBlock(block, config))


METHOD = Method(
    name="vpt",
    config=VPTConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=no("every token attends to the prompts from the first step on"),
    follows_base=YES,
    mergeable=no(_UNMERGEABLE),
    orchestratable=no("its prompts are tokens, no coefficients of a block's features"),
    summary="learned prompt tokens in the attention of every block, and the mask decoder",
)
