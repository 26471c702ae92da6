"""Full fine-tuning: the whole image encoder, and the mask decoder."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from monai_cobot.peft.adaptation import Adaptation, freeze_base, tune_in_place
from monai_cobot.peft.registry import YES, Method, no


@dataclass(frozen=True)
class FullConfig:
    """There is nothing to choose."""


def inject(encoder: nn.Module, config: FullConfig) -> Adaptation:
    """Make the whole encoder trainable.

    Args:
        encoder: changed in place.
        config: empty.

    Raises:
        CobotError: if the encoder is adapted already.
    """
    freeze_base(encoder)
    return tune_in_place(encoder, Adaptation(), lambda name: True)


METHOD = Method(
    name="full",
    config=FullConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=YES,
    follows_base=YES,
    mergeable=YES,
    orchestratable=no("it tunes every weight, so there is no small set that a block could share"),
    summary="the whole image encoder and the mask decoder",
)
