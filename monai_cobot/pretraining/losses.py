"""SAM's loss: focal and Dice on the mask, a square error on its predicted IoU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.losses import DiceLoss, FocalLoss
from torch import Tensor
from torch.nn import functional as F

FOCAL_WEIGHT = 20.0
"""Focal to Dice, as in the SAM paper (A. Kirillov et al. 2023, Appendix A)."""
CROSS_ENTROPY_WEIGHT = 5.0
"""Without the focus (gamma 0) the same loss is larger: a weight that keeps its share of the sum."""

_focal = FocalLoss(gamma=2.0, reduction="none")
_cross_entropy = FocalLoss(gamma=0.0, reduction="none")
_dice = DiceLoss(sigmoid=True, reduction="none")


@dataclass(frozen=True)
class StepLoss:
    """Mean losses of one answer of the decoder, scalars.

    Attributes:
        total: what is trained on; it alone carries gradients.
        focal: of the first mask, before its weight.
        dice: of the first mask.
        quality: square error of the predicted IoU.
    """

    total: Tensor
    focal: Tensor
    dice: Tensor
    quality: Tensor


def answer_loss(
    logits: Tensor, quality: Tensor, target: Tensor, ambiguous: bool, focused: bool = True
) -> StepLoss:
    """Loss of the decoder's masks for every prompt.

    The first mask answers alone; where the prompt is ``ambiguous`` (a single point) the best of the
    other three counts beside it. The predicted IoU is held against the true one, for all masks.

    Args:
        logits: (N, M, h, w), M the decoder's 4 masks; the first one suffices where it alone counts.
        quality: (N, M), the predicted IoU.
        target: (N, 1, h, w) between 0 and 1.
        ambiguous: whether the three other masks are trained.
        focused: whether the focal loss has its gamma of 2, or is the plain cross-entropy.

    Returns:
        means over the prompts.
    """
    every = target.expand_as(logits)
    pixelwise = _focal if focused else _cross_entropy
    weight = FOCAL_WEIGHT if focused else CROSS_ENTROPY_WEIGHT
    focal = pixelwise(logits, every).flatten(2).mean(2)
    dice = _dice(logits, every).flatten(1)
    mask_loss = weight * focal + dice
    total = mask_loss[:, 0].mean()
    if ambiguous:
        total = total + mask_loss[:, 1:].amin(1).mean()
    with torch.no_grad():
        inside, true = logits > 0, every > 0.5
        iou = (inside & true).flatten(2).sum(2) / (inside | true).flatten(2).sum(2).clamp(min=1)
    answered = slice(None) if ambiguous else slice(0, 1)
    quality_loss = F.mse_loss(quality[:, answered], iou[:, answered])
    return StepLoss(
        total + quality_loss, focal[:, 0].mean().detach(), dice[:, 0].mean().detach(),
        quality_loss.detach(),
    )  # fmt: skip
