"""The loss of learned organ prompts, and what a mean of one process weighs among several."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

MaskLoss = Callable[[Tensor, Tensor], Tensor]


class OrganLoss(nn.Module):
    """Mask loss and quality of learned organ prompts.

    Of part of the answers it gives their share of the whole loss, so that the shares of all parts
    add up to it.

    The mask loss (DiceCE) is taken over the organs that are there. An organ that is absent has no
    Dice: its answer is pulled down by cross-entropy alone. SAM's predicted quality is trained as
    SAM does, by the squared difference to the IoU that the mask has, which is 0 for an absent
    organ. Each of the three is a mean, and the loss their sum.

    Args:
        mask_loss: of logits (N, 1, S, S) and targets of the same shape, a mean over N.
    """

    def __init__(self, mask_loss: MaskLoss) -> None:
        super().__init__()
        self.mask_loss = mask_loss

    def forward(
        self,
        logits: Tensor,
        quality: Tensor,
        targets: Tensor,
        weights: Sequence[float] | None = None,
    ) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: (B, K, S, S), model frame.
            quality: (B, K), predicted IoU of the masks.
            targets: (B, K, S, S), floating point, 0 or 1, empty where an organ is absent.
            weights: of the means over all organs, over those that are there, and over those that
                are absent; None takes :func:`process_weights` of the answers given.
        """
        present = are_present(targets)
        counts = count_organs(present)
        there = counts[1]
        if weights is None:
            weights = process_weights(counts, logits.device)
        of_all, of_present, of_absent = weights
        loss = F.mse_loss(quality, intersection_over_union(logits, targets)) * of_all
        if there:
            found, masks = logits[present], targets[present]
            loss = loss + self.mask_loss(found[:, None], masks[:, None]) * of_present
        if there < present.numel():
            absent = logits[~present]
            silence = F.binary_cross_entropy_with_logits(absent, torch.zeros_like(absent))
            loss = loss + silence * of_absent
        return loss


def are_present(targets: Tensor) -> Tensor:
    """(B, K), whether a mask of (B, K, S, S) is not empty."""
    return targets.flatten(2).amax(dim=2) > 0


def count_organs(present: Tensor) -> list[int]:
    """What the three means of :class:`OrganLoss` are over: all, those there, those absent."""
    there = int(present.sum())
    return [present.numel(), there, present.numel() - there]


def process_weights(counts: Sequence[int], device: torch.device) -> list[float]:
    """What the means of this process weigh, so that several processes train as one.

    DistributedDataParallel takes the mean of the processes' gradients, whatever number of things
    each process's loss is the mean of. With these weights it is the mean over all of the things.
    Every process has to call this, in the same order.

    Args:
        counts: how many things each mean of this process is over, 0 or more.
        device: where the processes exchange tensors.

    Returns:
        for each mean the count, over the mean of the counts of all processes; 1 where there is one
        process alone.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return [1.0] * len(counts)
    total = torch.tensor(list(counts), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    ranks = dist.get_world_size()
    return [
        count * ranks / whole if whole else 0.0
        for count, whole in zip(counts, total.tolist(), strict=True)
    ]


@torch.no_grad()
def intersection_over_union(logits: Tensor, masks: Tensor) -> Tensor:
    """IoU (B, K) of logits above 0 with masks, both (B, K, S, S); 0 where the mask is empty."""
    answer, truth = (logits > 0).flatten(2), (masks > 0).flatten(2)
    common = (answer & truth).sum(dim=2)
    return common / (answer | truth).sum(dim=2).clamp(min=1)
