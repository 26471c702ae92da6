"""The loss against numbers worked out by hand, and against torchvision's focal loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from monai_cobot.pretraining.losses import (
    CROSS_ENTROPY_WEIGHT,
    FOCAL_WEIGHT,
    answer_loss,
)


@pytest.fixture
def target() -> Tensor:
    """Two prompts, 2 x 2 pixels: two of them, and one."""
    return torch.tensor([[[[1.0, 1], [0, 0]]], [[[1.0, 0], [0, 0]]]])


def test_by_hand_where_the_answer_knows_nothing(target: Tensor) -> None:
    """Logits 0: every pixel 1/2. Dice 1 - 2·1/(2 + 2) and 1 - 2·½/(2 + 1); focal ¼·ln 2."""
    logits, quality = torch.zeros(2, 1, 2, 2), torch.full((2, 1), 0.5)
    loss = answer_loss(logits, quality, target, ambiguous=False)
    dice, focal = (1 / 2 + 2 / 3) / 2, math.log(2) / 4
    assert loss.dice.item() == pytest.approx(dice, abs=1e-4)
    assert loss.focal.item() == pytest.approx(focal, abs=1e-6)
    assert loss.quality.item() == pytest.approx(0.25)  # nothing above 0: the IoU is 0
    assert loss.total.item() == pytest.approx(20 * focal + dice + 0.25, abs=1e-4)
    plain = answer_loss(logits, quality, target, ambiguous=False, focused=False)
    assert plain.focal.item() == pytest.approx(math.log(2), abs=1e-6)
    expected = CROSS_ENTROPY_WEIGHT * math.log(2) + dice + 0.25
    assert plain.total.item() == pytest.approx(expected, abs=1e-4)


def test_a_certain_and_right_answer_costs_nothing(target: Tensor) -> None:
    logits = (target * 2 - 1) * 30
    loss = answer_loss(logits, torch.ones(2, 1), target, ambiguous=False)
    assert loss.total.item() == pytest.approx(0, abs=1e-4)


def test_predicted_iou_is_held_against_the_true_one(target: Tensor) -> None:
    """Answers of three pixels: IoU 2/3 and 1/3."""
    logits = torch.tensor([[[3.0, 3], [3, -3]]]).repeat(2, 1, 1)[:, None]
    quality = torch.tensor([[1.0], [0.0]])
    loss = answer_loss(logits, quality, target, ambiguous=False)
    assert loss.quality.item() == pytest.approx(1 / 9, abs=1e-6)


def test_a_pixel_belongs_to_the_truth_where_more_than_half_of_it_does() -> None:
    target = torch.tensor([[[[1.0, 0.75], [0.5, 0.25]]]])  # two pixels
    logits = torch.tensor([[[[1.0, 1], [1, 1]]]])  # four
    loss = answer_loss(logits, torch.zeros(1, 1), target, ambiguous=False)
    assert loss.quality.item() == pytest.approx(0.25)


def test_focal_is_torchvisions() -> None:
    torch.manual_seed(0)
    logits, target = 3 * torch.randn(5, 1, 8, 8), (torch.rand(5, 1, 8, 8) > 0.7).float()
    loss = answer_loss(logits, torch.zeros(5, 1), target, ambiguous=False)
    expected = sigmoid_focal_loss(logits, target, alpha=-1, gamma=2, reduction="mean")
    assert loss.focal.item() == pytest.approx(expected.item(), rel=1e-5)


def mask_loss(logits: Tensor, target: Tensor) -> float:
    """One mask's focal and Dice, pixel by pixel."""
    p, t = logits.double().sigmoid().flatten(), target.double().flatten()
    focal = torch.where(t > 0.5, -((1 - p) ** 2) * p.log(), -(p**2) * (1 - p).log()).mean()
    dice = 1 - 2 * (p * t).sum() / (p.sum() + t.sum())
    return float(FOCAL_WEIGHT * focal + dice)


def test_the_best_of_three_counts_beside_the_first_where_a_prompt_is_ambiguous() -> None:
    torch.manual_seed(1)
    logits, quality = torch.randn(3, 4, 6, 6), torch.rand(3, 4)
    target = (torch.rand(3, 1, 6, 6) > 0.5).float()
    each = [[mask_loss(logits[n, m], target[n]) for m in range(4)] for n in range(3)]
    inside, true = logits > 0, target > 0.5
    iou = (inside & true).sum((2, 3)) / (inside | true).sum((2, 3))
    first = sum(row[0] for row in each) / 3
    best = sum(min(row[1:]) for row in each) / 3
    found = answer_loss(logits, quality, target, ambiguous=True)
    squares = (quality - iou).square()
    assert found.total.item() == pytest.approx(first + best + squares.mean().item(), rel=1e-4)
    found = answer_loss(logits, quality, target, ambiguous=False)
    assert found.total.item() == pytest.approx(first + squares[:, 0].mean().item(), rel=1e-4)
    alone = answer_loss(logits[:, :1], quality[:, :1], target, ambiguous=False)
    assert alone.total.item() == pytest.approx(found.total.item(), rel=1e-6)


def test_gradients_go_to_the_masks_that_count(target: Tensor) -> None:
    torch.manual_seed(2)
    logits, quality = torch.randn(2, 4, 2, 2, requires_grad=True), torch.rand(2, 4)
    answer_loss(logits, quality, target, ambiguous=False).total.backward()
    assert logits.grad is not None
    assert logits.grad.flatten(2).abs().amax(2).gt(0).tolist() == [[True, False, False, False]] * 2
    logits.grad = None
    answer_loss(logits, quality, target, ambiguous=True).total.backward()
    used = logits.grad.flatten(2).abs().amax(2).gt(0)
    assert used.sum(1).tolist() == [2, 2]
    assert used[:, 0].all()


def test_half_covered_pixels_of_the_target_ask_for_one_half() -> None:
    """The cross-entropy part has its least value where the answer is the coverage."""
    target = torch.full((1, 1, 2, 2), 0.25)
    losses = [
        answer_loss(
            torch.full((1, 1, 2, 2), math.log(p / (1 - p))), torch.zeros(1, 1), target,
            ambiguous=False, focused=False,
        ).focal.item()
        for p in (0.1, 0.2, 0.25, 0.3, 0.4)
    ]  # fmt: skip
    assert losses.index(min(losses)) == 2
