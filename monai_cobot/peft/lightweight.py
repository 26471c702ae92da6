"""Only SAM's lightweight mask decoder is trained; the encoder stays as it is."""

from __future__ import annotations

from monai_cobot.peft.freeze import FreezeConfig, inject
from monai_cobot.peft.registry import Method


class LightweightConfig(FreezeConfig):
    """There is nothing to choose."""


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
