"""From an adapted encoder back to a plain one."""

from __future__ import annotations

from torch import nn

from monai_cobot.errors import CobotError
from monai_cobot.peft.bottleneck import adapted_modules


def merge(encoder: nn.Module) -> None:
    """Multiply the adapters into the encoder's own weights, exactly, and take them out.

    Afterwards the encoder has its original classes and keys again. Merging an encoder without
    adapters changes nothing, so that merging twice is merging once.

    Args:
        encoder: changed in place, unless an error is raised.

    Raises:
        CobotError: if the method cannot be merged, or a bottleneck or vector is still mixed by an
            orchestration (fold it first).
    """
    adapted = adapted_modules(encoder)
    for name, module in adapted.items():
        mixes = [seam.mix for seam in module.bottlenecks] + [seam.mix for seam in module.vectors]
        if not all(isinstance(mix, nn.Identity) for mix in mixes):
            raise CobotError(f"{name} is orchestrated and cannot be merged as it is: fold it first")
    merged = {name: module.merged() for name, module in adapted.items()}
    for name, plain in merged.items():
        encoder.set_submodule(name, plain)
