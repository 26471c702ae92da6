"""SAM's forward for several boxes: the encoder once an image, all its boxes in one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from monai_cobot.errors import CobotError
from monai_cobot.sam.precision import computing

Clicks = tuple[Tensor, Tensor]
"""Points (P, K, 2), x and y in pixels of the model frame; labels (P, K), 1 inside, 0 outside."""


def encode(sam: Sam, image: Tensor) -> Tensor:
    """The image embeddings (B, C, h, w) of images (B, 3, S, S), in the network's precision."""
    with computing(sam, image.device):
        embeddings: Tensor = sam.image_encoder(image)
    return embeddings


def decode_prompts(
    sam: Sam,
    image_embeddings: Tensor,
    boxes: Tensor | None = None,
    clicks: Clicks | None = None,
    masks: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """All four masks of the decoder for many prompts in one batch, whichever images they are of.

    segment-anything's decoder repeats one image's embedding for all prompts and adds the dense
    prompt. So the embeddings go in with the dense prompt, and zeros in their place: the sum is the
    same, and the prompts may belong to several images.

    Args:
        sam: the network.
        image_embeddings: (P, C, h, w), that of each prompt's image; (1, C, h, w) for one image.
        boxes: (P, 4) XYXY in the model frame, pixels.
        clicks: points and labels.
        masks: (P, 1, 4h, 4w) logits of an earlier answer.

    Returns:
        low_res_masks (P, 4, 4h, 4w), logits, and SAM's predicted quality (P, 4); the first of the
        four is the answer to a prompt that leaves no choice.
    """
    sparse, dense = sam.prompt_encoder(points=clicks, boxes=boxes, masks=masks)
    return decode_tokens(sam, image_embeddings, sparse, dense)


def decode_tokens(
    sam: Sam, image_embeddings: Tensor, sparse: Tensor, dense: Tensor
) -> tuple[Tensor, Tensor]:
    """All four masks of the decoder for prompts that are embedded already.

    Args:
        sam: the network.
        image_embeddings: (P, C, h, w) or (1, C, h, w), as in :func:`decode_prompts`.
        sparse: (P, N, C), N tokens a prompt.
        dense: (P or 1, C, h or 1, w or 1), added to the image embeddings.

    Returns:
        low_res_masks (P, 4, 4h, 4w) and quality (P, 4), as :func:`decode_prompts`; in single
        precision at least.
    """
    with computing(sam, image_embeddings.device):
        low_res_masks, quality = sam.mask_decoder.predict_masks(
            image_embeddings=torch.zeros_like(image_embeddings[:1]),
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=image_embeddings + dense,
        )
    single = torch.promote_types(image_embeddings.dtype, torch.float32)  # or double, never bfloat16
    return low_res_masks.to(single), quality.to(single)


def decode_boxes(sam: Sam, image_embeddings: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """The one mask of every box, (P, 1, 4h, 4w) logits, and its quality (P, 1).

    Arguments as :func:`decode_prompts`.
    """
    low_res_masks, quality = decode_prompts(sam, image_embeddings, boxes)
    return low_res_masks[:, :1], quality[:, :1]


def predict_masks(sam: Sam, image: Tensor, boxes: Sequence[Tensor] | None = None) -> Tensor:
    """Mask logits for the boxes of every image.

    Args:
        sam: the network.
        image: (B, 3, S, S), normalised and padded (model frame).
        boxes: for each image its (P_b, 4) boxes XYXY in the model frame; ``None`` prompts every
            image with one box around all of it.

    Returns:
        (sum of P_b, 1, S, S) logits in the model frame: the prompts of the first image, then those
        of the second, and so on.

    Raises:
        CobotError: the number of box tensors is not the number of images.
    """
    embeddings = encode(sam, image)
    if boxes is not None:
        return upscale(decode_images(sam, embeddings, boxes), image)
    whole = image.new_tensor([[0.0, 0.0, image.shape[-1], image.shape[-2]]])
    # One box an image without a Python loop, so that a traced network takes any batch.
    low_res_masks, _ = decode_boxes(sam, embeddings, whole.expand(embeddings.shape[0], 4))
    return upscale(low_res_masks, image)


def decode_images(sam: Sam, image_embeddings: Tensor, boxes: Sequence[Tensor]) -> Tensor:
    """The masks of the boxes of several images, whose encoder has run.

    Args:
        sam: the network.
        image_embeddings: (B, C, h, w).
        boxes: for each image its (P_b, 4) boxes XYXY in the model frame.

    Returns:
        low_res_masks (sum of P_b, 1, 4h, 4w), logits, in the order of images and boxes.

    Raises:
        CobotError: the number of box tensors is not the number of images.
    """
    if len(boxes) != image_embeddings.shape[0]:
        raise CobotError(
            f"{image_embeddings.shape[0]} images but boxes for {len(boxes)}: give one (P, 4) each"
        )
    counts = torch.tensor([len(found) for found in boxes], device=image_embeddings.device)
    owners = image_embeddings.repeat_interleave(counts, dim=0)
    return decode_boxes(sam, owners, torch.cat(list(boxes)))[0]


def upscale(low_res_masks: Tensor, image: Tensor) -> Tensor:
    """Logits (N, M, 4h, 4w) at the size of the image (B, 3, S, S), bilinear, as SAM does."""
    size = (image.shape[-2], image.shape[-1])
    return F.interpolate(low_res_masks, size=size, mode="bilinear", align_corners=False)
