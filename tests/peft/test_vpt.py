"""VPT in windows and with relative positions, against loops over windows, heads and tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.peft import VPTConfig
from monai_cobot.peft.vpt import PromptedBlock
from tests.peft.models import FEATURES, randomise, small_encoder

# float64 sums over a few dozen tokens.
TOLERANCE = 1e-10

GRID = 4
"""Patches a side of the small encoder; its windows of 3 are padded."""


def prompted(block: int, prompts: int = 5) -> tuple[Any, Any]:
    base = small_encoder().get_submodule(f"blocks.{block}")
    adapted = PromptedBlock(base, VPTConfig(prompts))
    randomise(adapted, seed=3)  # the base's too: they are shared
    return base, adapted


def window_by_loops(block: Any, window: Tensor) -> Tensor:
    """Attention of one window (h, w, D): tokens, then prompts that have no position."""
    attn, (height, width, features) = block.attn, window.shape
    tokens = torch.cat((window.reshape(-1, features), block.norm1(block.prompts)))
    q, k, v = attn.qkv(tokens).chunk(3, dim=-1)
    side, out = features // attn.num_heads, torch.zeros(height * width, features).double()
    places = [(y, x) for y in range(height) for x in range(width)]
    for head in range(attn.num_heads):
        part = slice(head * side, (head + 1) * side)
        for i, (y, x) in enumerate(places):
            logits = []
            for j in range(len(tokens)):
                logit = q[i, part] @ k[j, part] * side**-0.5
                if j < len(places):
                    dy, dx = y - places[j][0] + height - 1, x - places[j][1] + width - 1
                    logit = logit + q[i, part] @ attn.rel_pos_h[dy]
                    logit = logit + q[i, part] @ attn.rel_pos_w[dx]
                logits.append(logit)
            out[i, part] = torch.stack(logits).softmax(0) @ v[:, part]
    return attn.proj(out).reshape(height, width, features)


@pytest.mark.parametrize("block", [0, 1])  # windowed, global
def test_against_loops(block: int) -> None:
    base, adapted = prompted(block)
    x = torch.randn(1, GRID, GRID, FEATURES, dtype=torch.float64)
    side = base.window_size or GRID
    padded = -(-GRID // side) * side
    normal = F.pad(base.norm1(x)[0], (0, 0, 0, padded - GRID, 0, padded - GRID))
    attended = torch.zeros_like(normal)
    for top in range(0, padded, side):
        for left in range(0, padded, side):
            rows, columns = slice(top, top + side), slice(left, left + side)
            attended[rows, columns] = window_by_loops(adapted, normal[rows, columns])
    y = x + attended[None, :GRID, :GRID]
    expected = y + base.mlp(base.norm2(y))
    torch.testing.assert_close(adapted(x), expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_first_values() -> None:
    torch.manual_seed(0)
    block = PromptedBlock(small_encoder().get_submodule("blocks.0"), VPTConfig(400))
    limit = (6 / (3 * 16 * 16 + FEATURES)) ** 0.5
    assert 0.99 * limit < float(block.prompts.detach().abs().max()) <= limit


@pytest.mark.parametrize("prompts", [0, 1.5, "4"])
def test_prompts_out_of_range(prompts: object) -> None:
    with pytest.raises(CobotError, match=rf"VPT prompts={prompts!r}: choose a whole number"):
        VPTConfig(prompts)  # type: ignore[arg-type]


def test_not_a_block_of_sam() -> None:
    encoder = small_encoder()
    encoder.set_submodule("blocks.1", nn.Identity())
    with pytest.raises(CobotError, match=r"blocks\.1 has no Block"):
        peft.get("vpt").inject(encoder, VPTConfig())
