"""SAM built of segment-anything's own classes, without weights or with seeded random ones."""

from __future__ import annotations

from functools import partial

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from torch import nn

from monai_cobot.errors import CobotError
from monai_cobot.sam.sizes import SAMSize

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)

# SAM's own tables start at zero; random ones of ViT's usual spread make the network see positions.
POSITION_STD = 0.02


def build_architecture(size: SAMSize, image_size: int | None = None) -> Sam:
    """SAM of that size, as segment-anything's ``_build_sam`` builds it, for any input size.

    Args:
        size: the numbers of the encoder and decoder.
        image_size: side of the square input in pixels (model frame); default ``size.image_size``.

    Returns:
        ``Sam`` in evaluation mode with the classes' own initialisation (no trained weights).

    Raises:
        CobotError: ``image_size`` is not a positive multiple of the patch size.
    """
    side = size.image_size if image_size is None else image_size
    if not isinstance(side, int) or side < size.patch or side % size.patch:
        raise CobotError(
            f"image_size={side!r} is not a multiple of the patch size {size.patch}: "
            "choose for instance 256, 512 or 1024"
        )
    grid = side // size.patch
    sam = Sam(
        image_encoder=ImageEncoderViT(
            img_size=side,
            patch_size=size.patch,
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.heads,
            out_chans=size.decoder_width,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=size.window,
            global_attn_indexes=size.global_blocks,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=size.decoder_width,
            image_embedding_size=(grid, grid),
            input_image_size=(side, side),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=size.decoder_width,
            transformer=TwoWayTransformer(
                depth=2,
                embedding_dim=size.decoder_width,
                num_heads=8,
                mlp_dim=size.decoder_mlp,
            ),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=size.decoder_width,
        ),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_STD),
    )
    return sam.eval()


def build_random(size: SAMSize, seed: int = 0) -> Sam:
    """SAM at its own image size with random weights that depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sam = build_architecture(size)
        for name, parameter in sam.image_encoder.named_parameters():
            if "rel_pos" in name or name == "pos_embed":
                nn.init.trunc_normal_(parameter, std=POSITION_STD)
    return sam
