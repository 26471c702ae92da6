"""Only SAM's lightweight mask decoder is trained; the encoder stays as it is."""

from __future__ import annotations

from monai_cobot.peft.freeze import FreezeConfig, inject
from monai_cobot.peft.registry import YES, Method, no


class LightweightConfig(FreezeConfig):
    """There is nothing to choose."""


METHOD = Method(
    name="lightweight",
    config=LightweightConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=YES,
    follows_base=YES,
    mergeable=YES,
    orchestratable=no("it tunes nothing in the image encoder"),
    summary="the mask decoder only",
)
