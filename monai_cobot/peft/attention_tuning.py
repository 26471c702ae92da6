"""Attention tuning: all weights of the attention of every block are tuned in place.

Relative positions are among them. Source: Touvron et al., Three things everyone should know about
vision transformers, ECCV 2022 (arXiv 2203.09795).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from monai_cobot.peft.adaptation import Adaptation, replace_in_blocks, tune_in_place
from monai_cobot.peft.bottleneck import AdaptedModule, Bottleneck
from monai_cobot.peft.registry import YES, Method
from monai_cobot.peft.sharing import SharedLinear


@dataclass(frozen=True)
class AttentionTuningConfig:
    """There is nothing to choose."""


class TunedProjection(SharedLinear, AdaptedModule):
    """The projection at the end of an attention, with room behind it: ``y = mix(W x + b)``."""

    mix: nn.Module

    def __init__(self, base: nn.Linear) -> None:
        super().__init__(base)
        self.mix = nn.Identity()

    @property
    def down(self) -> nn.Linear:
        """The projection itself: its D outputs are what can be mixed."""
        return self

    @property
    def bottlenecks(self) -> tuple[Bottleneck, ...]:
        """This projection."""
        return (self,)

    def forward(self, x: Tensor) -> Tensor:
        """Project: (..., D) -> (..., D)."""
        y: Tensor = self.mix(super().forward(x))
        return y

    def merged(self) -> nn.Linear:
        """Give the plain projection; its parameters are these."""
        return self.plain()


def inject(encoder: nn.Module, config: AttentionTuningConfig) -> Adaptation:
    """Make everything under ``attn`` in the blocks trainable.

    Args:
        encoder: SAM's image encoder, changed in place.
        config: empty.

    Raises:
        CobotError: if it is no such encoder, or adapted already.
    """
    adaptation = replace_in_blocks(encoder, "attn.proj", nn.Linear, TunedProjection)
    return tune_in_place(
        encoder, adaptation, lambda name: name.startswith("blocks.") and ".attn." in name
    )


METHOD = Method(
    name="attention_tuning",
    config=AttentionTuningConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=YES,
    follows_base=YES,
    mergeable=YES,
    orchestratable=YES,
    summary="all weights of the attention of every block, and the mask decoder",
)
