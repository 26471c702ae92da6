"""The loss of box prompts and learned organ prompts on one embedding of the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MaskLoss = Callable[[Tensor, Tensor], Tensor]


class PromptAnswers(Protocol):
    """What a network answers to both kinds of prompts; model frame."""

    @property
    def boxes(self) -> Tensor:
        """(sum of P_b, 1, S, S) logits."""

    @property
    def organs(self) -> Tensor:
        """(B, K, S, S) logits."""

    @property
    def quality(self) -> Tensor:
        """(B, K) predicted IoU of the organs' masks."""


class PromptTargets(NamedTuple):
    """The truth of both kinds of prompts; model frame, float32, 0 or 1.

    Attributes:
        boxes: (sum of P_b, 1, S, S), in the order of the network's masks.
        organs: (B, K, S, S), empty where an organ is absent.
    """

    boxes: Tensor
    organs: Tensor


class PromptLoss(nn.Module):
    """Mask loss of the boxes, plus mask loss and quality of the organ prompts.

    The mask loss (DiceCE) is taken over the boxes, and over the organs that are there. An organ
    that is absent has no Dice: its answer is pulled down by cross-entropy alone. SAM's predicted
    quality is trained as SAM does, by the squared difference to the IoU that the mask has, which
    is 0 for an absent organ. Each of the four is a mean, and the loss their sum.

    Args:
        mask_loss: of logits (N, 1, S, S) and targets of the same shape, a mean over N.
        boxes: whether the box prompts are trained too.
    """

    def __init__(self, mask_loss: MaskLoss, boxes: bool = True) -> None:
        super().__init__()
        self.mask_loss, self.boxes = mask_loss, boxes

    def forward(self, answers: PromptAnswers, targets: PromptTargets) -> Tensor:
        """The loss, a scalar."""
        present = targets.organs.flatten(2).amax(dim=2) > 0
        loss = F.mse_loss(answers.quality, intersection_over_union(answers.organs, targets.organs))
        if self.boxes and len(targets.boxes):
            loss = loss + self.mask_loss(answers.boxes, targets.boxes)
        if bool(present.any()):
            logits, masks = answers.organs[present], targets.organs[present]
            loss = loss + self.mask_loss(logits[:, None], masks[:, None])
        if not bool(present.all()):
            logits = answers.organs[~present]
            loss = loss + F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))
        return loss


@torch.no_grad()
def intersection_over_union(logits: Tensor, masks: Tensor) -> Tensor:
    """IoU (B, K) of logits above 0 with masks, both (B, K, S, S); 0 where the mask is empty."""
    answer, truth = (logits > 0).flatten(2), (masks > 0).flatten(2)
    common = (answer & truth).sum(dim=2)
    return common / (answer | truth).sum(dim=2).clamp(min=1)
