"""Operators counted, and the usual LoRA: what tests of speed compare with."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from monai_cobot.peft.lora import LoRALinear


class Operators(TorchDispatchMode):
    """Counts the operators by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))


class TwoAdditions(LoRALinear):
    """The usual form: two products, added to slices of q, k and v."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.linear(x, self.weight, self.bias)
        width = y.shape[-1] // 3
        y[..., :width] += self.lora_q(x)
        y[..., 2 * width :] += self.lora_v(x)
        return y
