"""BitFit: the biases of the blocks of SAM's image encoder are tuned in place, nothing is added.

Source: Ben Zaken et al., BitFit, ACL 2022 (arXiv 2106.10199).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from monai_cobot.peft.adaptation import Adaptation, replace_all, tune_in_place
from monai_cobot.peft.bottleneck import AdaptedModule
from monai_cobot.peft.operations import Operation, find_operations
from monai_cobot.peft.registry import YES, Method
from monai_cobot.peft.sharing import SharedLayerNorm, SharedLinear
from monai_cobot.peft.vector import TunedVector


@dataclass(frozen=True)
class BitFitConfig:
    """There is nothing to choose."""


class BiasTuned(AdaptedModule, nn.Module):
    """What an operation with a tuned bias has, whatever the operation."""

    mix_bias: nn.Module

    @property
    def vectors(self) -> tuple[TunedVector, ...]:
        """The bias."""
        return (TunedVector(self, "bias"),)

    def merged(self) -> nn.Module:
        """Give the plain operation; its parameters are these."""
        plain: Operation = self.plain()
        return plain


class BiasLinear(SharedLinear, BiasTuned):
    """A projection whose bias is tuned: ``y = W x + mix(b)``."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__(base)
        self.mix_bias = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Project: (..., D) -> (..., D')."""
        return F.linear(x, self.weight, self.mix_bias(self.bias))


class BiasLayerNorm(SharedLayerNorm, BiasTuned):
    """A LayerNorm whose bias is tuned: ``y = w * normalised(x) + mix(b)``."""

    def __init__(self, base: nn.LayerNorm) -> None:
        super().__init__(base)
        self.mix_bias = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Normalise: (..., D) -> (..., D)."""
        bias = self.mix_bias(self.bias)
        return F.layer_norm(x, self.normalized_shape, self.weight, bias, self.eps)


def inject(encoder: nn.Module, config: BitFitConfig) -> Adaptation:
    """Make all biases of the blocks trainable.

    Args:
        encoder: SAM's image encoder, changed in place.
        config: empty.

    Raises:
        CobotError: if it is no such encoder, or adapted already.
    """
    operations = find_operations(encoder)
    adaptation = replace_all(encoder, operations, _with_tuned_bias)
    names = {f"{name}.bias" for name in operations}
    return tune_in_place(encoder, adaptation, names.__contains__)


def _with_tuned_bias(base: Operation) -> nn.Module:
    return BiasLinear(base) if isinstance(base, nn.Linear) else BiasLayerNorm(base)


METHOD = Method(
    name="bitfit",
    config=BitFitConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=YES,
    follows_base=YES,
    mergeable=YES,
    orchestratable=YES,
    summary="the biases of every block, and the mask decoder",
)
