"""Nothing is trained: SAM as it is, the baseline of every table."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from monai_cobot.peft.adaptation import Adaptation, freeze_base
from monai_cobot.peft.registry import YES, Method, no


@dataclass(frozen=True)
class FreezeConfig:
    """There is nothing to choose."""


def inject(encoder: nn.Module, config: FreezeConfig) -> Adaptation:
    """Freeze the encoder and add nothing.

    Args:
        encoder: changed in place: its parameters lose their gradients.
        config: empty.

    Raises:
        CobotError: if the encoder is adapted already.
    """
    freeze_base(encoder)
    return Adaptation()


METHOD = Method(
    name="freeze",
    config=FreezeConfig,
    inject=inject,
    trains_decoder=False,
    identity_at_start=YES,
    follows_base=YES,
    mergeable=no("it trains nothing: SAM is as it was"),
    orchestratable=no("it tunes nothing in the image encoder"),
    summary="SAM as it is, nothing trained",
)
