"""The operations in a block of SAM's image encoder: its norms and its projections."""

from __future__ import annotations

from torch import nn

from monai_cobot.peft.adaptation import find_in_blocks

PROJECTIONS = ("attn.qkv", "attn.proj", "mlp.lin1", "mlp.lin2")
NORMS = ("norm1", "norm2")

Operation = nn.Linear | nn.LayerNorm


def find_operations(encoder: nn.Module) -> dict[str, Operation]:
    """Find both norms and all four projections of every block.

    Returns:
        Modules by their names in the encoder; each has a weight and a bias.

    Raises:
        CobotError: if the encoder is adapted already, or is not SAM's.
    """
    found: dict[str, Operation] = {}
    for path in PROJECTIONS:
        found |= find_in_blocks(encoder, path, nn.Linear)
    for path in NORMS:
        found |= find_in_blocks(encoder, path, nn.LayerNorm)
    return found
