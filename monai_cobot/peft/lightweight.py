"""Only SAM's lightweight mask decoder is trained; the encoder stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from monai_cobot.peft.adaptation import Adaptation, freeze_base
from monai_cobot.peft.registry import Method


@dataclass(frozen=True)
class LightweightConfig:
    """There is nothing to choose."""


def inject(encoder: nn.Module, config: LightweightConfig) -> Adaptation:
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
    name="lightweight",
    config=LightweightConfig,
    inject=inject,
    trains_decoder=True,
    foldable=False,
    mergeable=False,
    orchestratable=False,
    summary="the mask decoder only",
)
