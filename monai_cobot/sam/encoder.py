"""The choice of attention and of activation checkpointing in SAM's image encoder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from segment_anything.modeling.image_encoder import Attention, Block, ImageEncoderViT
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, noop_context_fn

from monai_cobot.errors import CobotError
from monai_cobot.sam.attention import FastAttention, FastBlock

ATTENTION = ("auto", "stock", "tiled", "folded")
"""The forms of attention there are."""

SMALL = 2**19
"""Scores of a global block up to which segment-anything's own attention is as fast: all of them
fit into a processor's cache. The small SAM has half as many at 256 pixels, ViT-B 1.5 times."""


Contexts = Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]


class CheckpointedEncoder(ImageEncoderViT):  # type: ignore[misc]
    """SAM's image encoder, of which backward keeps the inputs of the blocks alone.

    Blocks run a second time in backward, with the same random numbers (dropout).

    Attributes:
        recomputing: gives the contexts of a block's first and second run.
    """

    recomputing: Contexts = staticmethod(noop_context_fn)

    def forward(self, x: Tensor) -> Tensor:
        """Embed the images: (B, 3, S, S) -> (B, C, h, w)."""
        x = self.patch_embed(x)
        if self.pos_embed is not None:
            x = x + self.pos_embed
        for block in self.blocks:
            x = self.checkpointed(block, x) if torch.is_grad_enabled() else block(x)
        embedding: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embedding

    def checkpointed(self, block: nn.Module, x: Tensor) -> Tensor:
        """A block's answer, (B, h, w, width) as its input, which alone is kept for backward."""
        found: Tensor = checkpoint(block, x, use_reentrant=False, context_fn=self.recomputing)
        return found


def speed_up(encoder: nn.Module, attention: str = "auto", checkpoint_blocks: bool = False) -> None:
    """Choose how an image encoder computes; neither its keys, parameters nor results change.

    To be called before a fine-tuning method is injected, which then goes along.

    Args:
        encoder: segment-anything's, changed in place.
        attention: ``stock``, segment-anything's own; ``tiled``, scores in tiles that backward
            computes again; ``folded``, relative positions folded into queries and keys for torch's
            fused kernels; ``auto``, tiled on a CPU and folded elsewhere, but stock for an encoder
            so small that nothing is gained. What is exported, compiled, traced or scripted is
            folded, unless it is stock.
        checkpoint_blocks: keep the blocks' inputs alone for backward, which computes the rest
            again.

    Raises:
        CobotError: unknown form of attention, or the encoder is none of segment-anything's.
    """
    if attention not in ATTENTION:
        raise CobotError(f"attention={attention!r}: choose one of {', '.join(ATTENTION)}")
    if not isinstance(checkpoint_blocks, bool):
        raise CobotError(f"checkpoint_blocks={checkpoint_blocks!r}: choose true or false")
    if not isinstance(encoder, ImageEncoderViT):
        raise CobotError(
            f"{type(encoder).__name__} is not segment-anything's image encoder: "
            "give sam.image_encoder"
        )
    encoder.__class__ = CheckpointedEncoder if checkpoint_blocks else ImageEncoderViT
    if attention == "auto" and _is_small(encoder):
        attention = "stock"
    for block in encoder.blocks:
        _choose(block, attention)


def _is_small(encoder: ImageEncoderViT) -> bool:
    tokens = (encoder.img_size // encoder.patch_embed.proj.stride[0]) ** 2
    return bool(encoder.blocks[0].attn.num_heads * tokens**2 <= SMALL)


def _choose(block: nn.Module, attention: str) -> None:
    if not isinstance(block, Block):
        raise CobotError(
            f"{type(block).__name__} is not segment-anything's block: choose the attention of an "
            "encoder before a fine-tuning method is put into it"
        )
    fast = attention != "stock" and block.attn.use_rel_pos
    block.__class__ = FastBlock if fast else Block
    block.attn.__class__ = FastAttention if fast else Attention
    if fast:
        block.attn.form = attention
