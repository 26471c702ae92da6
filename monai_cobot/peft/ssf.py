"""SSF: the output of every operation in the blocks is scaled and shifted, feature by feature.

Source: Lian et al., Scaling & Shifting Your Features, NeurIPS 2022 (arXiv 2210.08823).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from monai_cobot.peft.adaptation import Adaptation, replace_all
from monai_cobot.peft.bottleneck import AdaptedModule, in_double
from monai_cobot.peft.operations import Operation, find_operations
from monai_cobot.peft.registry import YES, Method
from monai_cobot.peft.sharing import SharedLayerNorm, SharedLinear
from monai_cobot.peft.vector import TunedVector


@dataclass(frozen=True)
class SSFConfig:
    """There is nothing to choose."""


class ScaleShift(nn.Module):
    """``y = mix(scale) * x + mix(shift)``, (..., D) -> (..., D); starts at scale 1, shift 0."""

    mix_scale: nn.Module
    mix_shift: nn.Module

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones_like(like, requires_grad=False))
        self.shift = nn.Parameter(torch.zeros_like(like, requires_grad=False))
        self.mix_scale, self.mix_shift = nn.Identity(), nn.Identity()

    @property
    def vectors(self) -> tuple[TunedVector, ...]:
        """Scale and shift, in this order."""
        return TunedVector(self, "scale"), TunedVector(self, "shift")

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift features: (..., D) -> (..., D)."""
        y: Tensor = x * self.mix_scale(self.scale) + self.mix_shift(self.shift)
        return y

    @torch.no_grad()
    def into(self, module: Operation) -> None:
        """Multiply scale and shift into a module that stands in front, as new parameters."""
        scale, shift = in_double(self.scale), in_double(self.shift)
        weight, bias = module.weight, module.bias
        column = scale.reshape(-1, *(1,) * (weight.ndim - 1))
        new = (column * in_double(weight)).to(weight)
        module.weight = nn.Parameter(new, weight.requires_grad)
        shifted = (scale * in_double(bias) + shift).to(bias)
        module.bias = nn.Parameter(shifted, bias.requires_grad)


class Scaled(AdaptedModule):
    """What an operation followed by scale and shift has, whatever the operation."""

    ssf: ScaleShift

    @property
    def vectors(self) -> tuple[TunedVector, ...]:
        """Scale and shift."""
        return self.ssf.vectors

    def merged(self) -> nn.Module:
        """Give the plain operation with scale and shift in its weight and bias."""
        plain: Operation = self.plain()
        self.ssf.into(plain)
        return plain


class ScaledLinear(SharedLinear, Scaled):
    """A projection followed by scale and shift."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__(base)
        self.ssf = ScaleShift(base.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Project, scale and shift: (..., D) -> (..., D')."""
        y: Tensor = self.ssf(super().forward(x))
        return y


class ScaledLayerNorm(SharedLayerNorm, Scaled):
    """A LayerNorm followed by scale and shift."""

    def __init__(self, base: nn.LayerNorm) -> None:
        super().__init__(base)
        self.ssf = ScaleShift(base.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, scale and shift: (..., D) -> (..., D)."""
        y: Tensor = self.ssf(super().forward(x))
        return y


def inject(encoder: nn.Module, config: SSFConfig) -> Adaptation:
    """Put scale and shift behind both norms and all four projections of every block.

    Args:
        encoder: SAM's image encoder, changed in place.
        config: empty.

    Raises:
        CobotError: if it is no such encoder, or adapted already.
    """
    adaptation = replace_all(encoder, find_operations(encoder), _scaled)
    return replace(adaptation, in_place=True, undecayed=adaptation.parameters)


def _scaled(base: Operation) -> nn.Module:
    return ScaledLinear(base) if isinstance(base, nn.Linear) else ScaledLayerNorm(base)


METHOD = Method(
    name="ssf",
    config=SSFConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=YES,
    follows_base=YES,
    mergeable=YES,
    orchestratable=YES,
    summary="scale and shift behind every operation of every block, and the mask decoder",
)
