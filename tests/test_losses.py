"""The loss of learned organ prompts, against sums by hand."""

from __future__ import annotations

import pytest
import torch
from monai.losses import DiceCELoss
from torch import Tensor
from torch.nn import functional as F

from monai_cobot.losses import OrganLoss, intersection_over_union
from monai_cobot.sam import OrganAnswers

# Sums of a few hundred terms in single precision, taken in another order.
TOLERANCE = 1e-6


@pytest.fixture
def mask_loss() -> DiceCELoss:
    return DiceCELoss(sigmoid=True, squared_pred=True)


def answers(seed: int = 0) -> OrganAnswers:
    """Answers on two images with three organs."""
    g = torch.Generator().manual_seed(seed)
    return OrganAnswers(torch.randn(2, 3, 8, 8, generator=g), torch.rand(2, 3, generator=g))


def organ_targets(*present: tuple[int, int]) -> Tensor:
    targets = torch.zeros(2, 3, 8, 8)
    for image, organ in present:
        targets[image, organ, 2:6, 1 : 4 + organ] = 1
    return targets


def quality_loss(found: OrganAnswers, targets: Tensor) -> Tensor:
    total = torch.zeros(())
    for image in range(2):
        for organ in range(3):
            answer, truth = found.logits[image, organ] > 0, targets[image, organ] > 0
            iou = (answer & truth).sum() / (answer | truth).sum() if truth.any() else 0.0
            total += (found.quality[image, organ] - iou) ** 2
    return total / 6


def test_it_is_the_sum_of_its_parts(mask_loss: DiceCELoss) -> None:
    found = answers()
    organs = organ_targets((0, 1), (1, 0), (1, 2))
    present = torch.stack([found.logits[0, 1], found.logits[1, 0], found.logits[1, 2]])[:, None]
    truth = torch.stack([organs[0, 1], organs[1, 0], organs[1, 2]])[:, None]
    absent = torch.stack([found.logits[0, 0], found.logits[0, 2], found.logits[1, 1]])
    expected = (
        mask_loss(present, truth)
        + F.softplus(absent).mean()  # cross-entropy with nothing
        + quality_loss(found, organs)
    )
    loss = OrganLoss(mask_loss)(*found, organs)
    torch.testing.assert_close(loss, expected, rtol=0, atol=TOLERANCE)


def test_slices_without_any_target_have_a_loss_and_a_gradient(mask_loss: DiceCELoss) -> None:
    found = answers()
    found.logits.requires_grad_(True)
    found.quality.requires_grad_(True)
    loss = OrganLoss(mask_loss)(*found, torch.zeros(2, 3, 8, 8))
    expected = F.softplus(found.logits).mean() + (found.quality**2).mean()
    torch.testing.assert_close(loss, expected, rtol=0, atol=TOLERANCE)
    loss.backward()
    assert bool((found.logits.grad > 0).all())  # downwards
    assert bool((found.quality.grad > 0).all())


def test_iou_by_hand() -> None:
    logits = -torch.ones(1, 2, 4, 4)
    logits[0, :, :2, :2] = 1  # four pixels
    masks = torch.zeros(1, 2, 4, 4)
    masks[0, 0, :2, 1:4] = 1  # six pixels, two of them common
    assert intersection_over_union(logits, masks).tolist() == [[0.25, 0.0]]
