"""Prompts after the first: clicks into the region where the last answer was wrong."""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam
from torch import Tensor

Clicks = tuple[Tensor, Tensor]
"""Points (N, K, 2), x and y in pixels of the model frame; labels (N, K), 1 inside, 0 outside."""


def decode_prompts(
    sam: Sam,
    embeddings: Tensor,
    boxes: Tensor | None = None,
    clicks: Clicks | None = None,
    masks: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """All four masks of the decoder for many prompts of many images at once.

    segment-anything's decoder repeats one image's embedding for its prompts. The dense prompt is
    added to it, so the embeddings of several images go in with the dense prompt.

    Args:
        sam: the network.
        embeddings: (N, C, h, w), the embedding of each prompt's image.
        boxes: (N, 4) XYXY, model frame.
        clicks: points and labels.
        masks: (N, 1, 4h, 4w) logits of the last answer.

    Returns:
        low_res_masks (N, 4, 4h, 4w), logits, and the predicted IoU (N, 4); the first of the four
        is the answer to a prompt that leaves no choice.
    """
    sparse, dense = sam.prompt_encoder(points=clicks, boxes=boxes, masks=masks)
    low_res_masks, quality = sam.mask_decoder.predict_masks(
        image_embeddings=torch.zeros_like(embeddings[:1]),
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=embeddings + dense,
    )
    return low_res_masks, quality


def points_inside(masks: Tensor) -> Clicks:
    """One click into each mask (N, S, S), uniformly over its pixels; drawn by torch's generator."""
    return _drawn(masks.bool()), torch.ones(len(masks), 1, device=masks.device)


def click_errors(logits: Tensor, masks: Tensor) -> Clicks:
    """One click into each error region, as SAM's training has them.

    Args:
        logits: (N, S, S), the last answer.
        masks: (N, S, S), the truth.

    Returns:
        points (N, 1, 2) and labels (N, 1): 1 where the truth was missed, 0 where there is none. A
        faultless answer gets a click into the truth.
    """
    truth = masks.bool()
    wrong = (logits > 0) != truth
    wrong = torch.where(wrong.flatten(1).any(1)[:, None, None], wrong, truth)
    points = _drawn(wrong)
    columns, rows = points[:, 0].long().unbind(1)
    labels = truth[torch.arange(len(truth), device=truth.device), rows, columns].float()
    return points, labels[:, None]


def joined(first: Clicks | None, more: Clicks) -> Clicks:
    """Clicks of one prompt after another, (N, K) and (N, L), as (N, K + L)."""
    if first is None:
        return more
    return torch.cat([first[0], more[0]], 1), torch.cat([first[1], more[1]], 1)


def _drawn(regions: Tensor) -> Tensor:
    """A pixel of each region, uniformly: (N, 1, 2) x and y."""
    flat = torch.multinomial(regions.flatten(1).float(), 1)[:, 0]
    width = regions.shape[-1]
    points = torch.stack([flat % width, flat // width], 1).float()
    return points[:, None]
