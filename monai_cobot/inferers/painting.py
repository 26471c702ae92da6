"""Logits of many prompts painted into one label map."""

from __future__ import annotations

from typing import TypeAlias

import torch

Painting: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""The highest logit at each pixel (H, W) float32, and the label of its organ (H, W) uint8."""


def paint(logits: torch.Tensor, organs: torch.Tensor, below: Painting | None = None) -> Painting:
    """Let the highest logit decide each pixel.

    Args:
        logits: (P, H, W).
        organs: (P,) label values, 1..255.
        below: what is painted already; it stays where it is at least as high.

    Returns:
        The highest logits and their organs.
    """
    best, winner = logits.max(dim=0)
    painted = organs.to(logits.device, torch.uint8)[winner]
    if below is None:
        return best, painted
    highest, organ = (values.to(best.device) for values in below)
    stays = highest >= best
    return torch.where(stays, highest, best), torch.where(stays, organ, painted)


def label_map(painting: Painting) -> torch.Tensor:
    """Give the label map (H, W) uint8 of a painting, 0 where no logit is above 0."""
    best, painted = painting
    return torch.where(best > 0, painted, torch.zeros_like(painted))


def paint_logits(logits: torch.Tensor, organs: torch.Tensor) -> torch.Tensor:
    """Let the highest logit above 0 decide each pixel.

    Args:
        logits: (P, H, W).
        organs: (P,) label values, 1..255.

    Returns:
        (H, W) uint8 label map, 0 where no logit is above 0.
    """
    return label_map(paint(logits, organs))
