from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.orchestration import Orchestrator
from monai_cobot.peft import LoRAConfig, LoRALinear
from monai_cobot.peft.lora import LoRABottleneck
from tests.operators import TwoAdditions
from tests.peft.models import randomise, small_encoder

# float64 products of a few dozen values of order one.
TOLERANCE = 1e-12


def layer(config: LoRAConfig | None = None, bias: bool = True) -> LoRALinear:
    lora = LoRALinear(nn.Linear(6, 15, bias, dtype=torch.float64), config or LoRAConfig(2))
    randomise(lora)
    return lora


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("alpha", "scale"), [(None, 1), (2, 1), (5, 2.5)])
def test_forward_by_hand(alpha: float | None, scale: float, bias: bool) -> None:
    lora, x = layer(LoRAConfig(2, alpha), bias), torch.randn(3, 6, dtype=torch.float64)
    y = F.linear(x, lora.weight, lora.bias)
    y[:, :5] += scale * x @ lora.lora_q.down.weight.T @ lora.lora_q.up.weight.T
    y[:, 10:] += scale * x @ lora.lora_v.down.weight.T @ lora.lora_v.up.weight.T
    torch.testing.assert_close(lora(x), y, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(lora.merged()(x), y, rtol=TOLERANCE, atol=TOLERANCE)


def test_first_values() -> None:
    torch.manual_seed(0)
    lora = LoRALinear(nn.Linear(400, 1200), LoRAConfig())
    for bottleneck in lora.bottlenecks:
        assert not bottleneck.up.weight.any()
        largest = bottleneck.down.weight.abs().max()
        assert 0.95 / math.sqrt(400) < largest <= 1 / math.sqrt(400)
        assert bottleneck.down.bias is None
        assert bottleneck.up.bias is None


def test_base_is_shared_and_draws_no_random_numbers() -> None:
    base = nn.Linear(6, 15)
    torch.manual_seed(0)
    lora = LoRALinear(base, LoRAConfig())
    drawn = torch.get_rng_state()
    torch.manual_seed(0)
    for _ in "qv":
        LoRABottleneck(6, 5, LoRAConfig())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert lora.weight is base.weight
    assert lora.bias is base.bias


def test_merged_leaves_the_base_alone() -> None:
    lora = layer()
    before = lora.weight.detach().clone()
    merged = lora.merged()
    assert type(merged) is nn.Linear
    assert torch.equal(lora.weight, before)
    assert not torch.equal(merged.weight, before)
    assert torch.equal(merged.weight[5:10], before[5:10])  # the keys' third


def test_sites_are_ordered_q_v_block_by_block() -> None:
    encoder = small_encoder()
    sites = peft.get("lora").inject(encoder, LoRAConfig()).bottlenecks
    expected = [
        encoder.get_submodule(f"blocks.{block}.attn.qkv.lora_{projection}")
        for block in range(3)
        for projection in "qv"
    ]
    assert list(sites) == expected


@pytest.mark.parametrize("rank", [0, -1, 1.5, "4", None])
def test_rank_out_of_range(rank: object) -> None:
    with pytest.raises(CobotError, match=rf"LoRA rank={rank!r}: choose a whole number of at least"):
        LoRAConfig(rank)  # type: ignore[arg-type]


@pytest.mark.parametrize("alpha", [0, -1.0, math.nan, math.inf, "4"])
def test_alpha_out_of_range(alpha: object) -> None:
    with pytest.raises(CobotError, match=rf"LoRA alpha={alpha!r}: choose a number above 0"):
        LoRAConfig(4, alpha)  # type: ignore[arg-type]


def test_not_a_projection_to_q_k_and_v() -> None:
    with pytest.raises(CobotError, match=r"projection to 16 features .* multiple of 3"):
        LoRALinear(nn.Linear(6, 16), LoRAConfig())


TOKENS = 4099
"""A length that nothing else has."""


class TokenOperators(TorchDispatchMode):
    """Counts the operators that read or write the tokens, views not among them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        found = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves((args, kwargs, found)) if isinstance(t, torch.Tensor)]
        if not func.is_view and any(TOKENS in tensor.shape for tensor in tensors):
            self.count += 1
        return found


@pytest.mark.parametrize("orchestrate", [False, True])
def test_fewer_operators_on_tokens_than_with_two_additions(orchestrate: bool) -> None:
    counts, found = [], []
    for kind in (LoRALinear, TwoAdditions):
        torch.manual_seed(0)
        lora = kind(nn.Linear(8, 24, dtype=torch.float64), LoRAConfig(4))
        randomise(lora)
        if orchestrate and kind is LoRALinear:
            Orchestrator(2, 4, dtype=torch.float64).attach(lora.bottlenecks)
        x = torch.ones(TOKENS, 8, dtype=torch.float64, requires_grad=True)
        with TokenOperators() as operators:
            y = lora(x)
            y.backward(torch.ones_like(y))
        counts.append(operators.count)
        found.append(y.detach())
    assert counts[0] < counts[1]
    if not orchestrate:
        torch.testing.assert_close(found[0], found[1], rtol=TOLERANCE, atol=TOLERANCE)
