"""Fine-tuning in the last blocks alone: what lies below stays SAM's own and needs no gradients."""

from __future__ import annotations

from dataclasses import replace

import torch
from segment_anything.modeling.image_encoder import ImageEncoderViT
from torch import Tensor, nn

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.peft.registry import Method
from monai_cobot.sam.encoder import CheckpointedEncoder


class _LastBlocks(nn.Module):
    """The last blocks of an encoder, as an encoder that methods can be put into."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)


def inject_last(
    description: Method, encoder: ImageEncoderViT, config: object, last_blocks: int
) -> peft.Adaptation:
    """Put a method into the last blocks of an encoder; the others stay as they are.

    Args:
        description: the method.
        encoder: SAM's image encoder, changed in place.
        config: the method's settings.
        last_blocks: how many, 1 to the number of blocks.

    Raises:
        CobotError: another number, or a method that is not put into blocks one by one.
    """
    depth = len(encoder.blocks)
    whole = isinstance(last_blocks, int) and not isinstance(last_blocks, bool)
    if not whole or not 1 <= last_blocks <= depth:
        raise CobotError(f"last_blocks={last_blocks!r}: give a whole number from 1 to {depth}")
    if not description.orchestratable:
        raise CobotError(
            f"last_blocks: method {description.name!r} is not put into the blocks one by one: set "
            "last_blocks: null, or choose lora, dora, adaptformer, bitfit, ssf or attention_tuning"
        )
    first = depth - last_blocks
    part = _LastBlocks(list(encoder.blocks[first:]))
    adaptation = description.inject(part, config)
    for place, block in enumerate(part.blocks):
        encoder.blocks[first + place] = block
    return replace(
        adaptation,
        parameters=tuple(_moved(name, first) for name in adaptation.parameters),
        undecayed=tuple(_moved(name, first) for name in adaptation.undecayed),
    )


def _moved(name: str, first: int) -> str:
    """A name in the last blocks as one in the encoder: ``blocks.0.…`` is ``blocks.<first>.…``."""
    blocks, number, rest = name.split(".", 2)
    return f"{blocks}.{int(number) + first}.{rest}"


def frozen_blocks(
    encoder: ImageEncoderViT, adaptation: peft.Adaptation, last_blocks: int | None
) -> int:
    """How many of the first blocks are SAM's own, and so always say the same of an image.

    Args:
        encoder: SAM's image encoder, adapted.
        adaptation: what was put into it.
        last_blocks: in how many of the last blocks; None in all.

    Returns:
        a number of blocks; all of them and 1 more where the whole encoder is SAM's own.
    """
    depth = len(encoder.blocks)
    if not (adaptation.bottlenecks or adaptation.vectors or adaptation.parameters):
        return depth + 1
    return 0 if last_blocks is None else depth - last_blocks


@torch.no_grad()
def frozen_features(encoder: ImageEncoderViT, image: Tensor, blocks: int) -> Tensor:
    """What comes out of the first blocks: (B, 3, S, S) -> (B, width, h, w); or the embeddings.

    Channels come first because they do in memory: the blocks keep the layout of the first
    convolution, and with another one their products would be summed in another order.

    Args:
        encoder: SAM's image encoder.
        image: normalised and padded.
        blocks: as :func:`frozen_blocks` counts them.
    """
    x: Tensor = encoder.patch_embed(image)
    if encoder.pos_embed is not None:
        x = x + encoder.pos_embed
    for block in encoder.blocks[:blocks]:
        x = block(x)
    x = x.permute(0, 3, 1, 2)
    return encoder.neck(x) if blocks > len(encoder.blocks) else x


def feature_shape(encoder: ImageEncoderViT, blocks: int) -> tuple[int, int, int]:
    """The shape of one image's :func:`frozen_features`: (width, h, w); of embeddings (C, h, w)."""
    patches = encoder.patch_embed.proj
    side = encoder.img_size // patches.stride[0]
    last = encoder.neck[0] if blocks > len(encoder.blocks) else patches
    return (last.out_channels, side, side)


def embed_features(encoder: ImageEncoderViT, features: Tensor, blocks: int) -> Tensor:
    """The image embeddings (B, C, h, w) from :func:`frozen_features`.

    It is what the encoder's forward does from there on, but for the encoder's hooks: for those of
    an orchestrator stands :meth:`~monai_cobot.orchestration.forward_cache.ForwardCache.during`.
    """
    if blocks > len(encoder.blocks):
        return features
    x = features.permute(0, 2, 3, 1)
    again = isinstance(encoder, CheckpointedEncoder) and torch.is_grad_enabled()
    for block in encoder.blocks[blocks:]:
        x = encoder.checkpointed(block, x) if again else block(x)
    embeddings: Tensor = encoder.neck(x.permute(0, 3, 1, 2))
    return embeddings
