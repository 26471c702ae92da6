"""The ladder by hand: base and side network run one after the other, not through one tensor."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.peft import LSTConfig
from tests.peft.models import image, randomise, small_encoder

# float64 rounding through a whole small encoder.
TOLERANCE = 1e-10


def build(reduction: int = 4) -> Any:
    torch.manual_seed(0)
    encoder: Any = small_encoder().eval()
    peft.get("lst").inject(encoder, LSTConfig(reduction))
    randomise(encoder)
    return encoder


def test_by_hand() -> None:
    adapted, plain = build(), small_encoder().eval()
    own = adapted.state_dict()
    plain.load_state_dict({key: own[key] for key in plain.state_dict()})
    states: list[Tensor] = []
    for block in plain.blocks:
        block.register_forward_pre_hook(lambda _, inputs: states.append(inputs[0]))
        block.register_forward_hook(lambda _, __, output: states.append(output))
    embedding = plain(image())
    s = states[0] @ own["blocks.0.entry.weight"].T + own["blocks.0.entry.bias"]
    for b, output in enumerate(states[1::2]):
        rung = adapted.blocks[b].rung
        g = 1 / (1 + torch.exp(-own[f"blocks.{b}.rung.gate"] / 0.1))
        down = output @ own[f"blocks.{b}.rung.ladder.weight"].T
        s = rung.block(g * (down + own[f"blocks.{b}.rung.ladder.bias"]) + (1 - g) * s)
    expected = embedding + adapted.neck.side(s.permute(0, 3, 1, 2))
    assert (expected - embedding).abs().max() > 0.1
    torch.testing.assert_close(adapted(image()), expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_nothing_of_the_base_is_in_the_graph() -> None:
    """Its memory is what LST saves: no activation of a block of SAM's is kept for the gradient."""
    encoder, seen = build(), []
    for block in encoder.blocks:
        block.mlp.register_forward_hook(lambda _, __, output: seen.append(output.requires_grad))
    encoder(image())
    assert seen == [False] * len(encoder.blocks)


@pytest.mark.parametrize("reduction", [0, 1.5])
def test_reduction_out_of_range(reduction: object) -> None:
    with pytest.raises(CobotError, match=rf"LST reduction={reduction}: choose a whole number"):
        LSTConfig(reduction)  # type: ignore[arg-type]


@pytest.mark.parametrize("reduction", [5, 8, 24])
def test_reduction_must_divide_the_heads(reduction: int) -> None:
    encoder = small_encoder()  # 24 features, two heads
    with pytest.raises(
        CobotError, match=rf"LST reduction={reduction}: 24 features .* divisor of 12"
    ):
        peft.get("lst").inject(encoder, LSTConfig(reduction))
    assert all(parameter.requires_grad for parameter in encoder.parameters())
