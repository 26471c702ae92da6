"""Prompts after the first: clicks into the region where the last answer was wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_cobot.sam import Clicks


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
