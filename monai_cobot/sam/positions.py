"""Position tables of SAM's image encoder carried over to another input size."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

POSITION_TABLES = ("pos_embed", "rel_pos_h", "rel_pos_w")


def is_position_table(key: str) -> bool:
    """Whether a key of SAM's state dict is a position table that depends on the input size."""
    return key.startswith("image_encoder.") and key.endswith(POSITION_TABLES)


def interpolate_positions(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """State dict of ``source`` with its position tables brought to the sizes that ``target`` has.

    Absolute tables (1, h, w, D) are resized bicubically with antialiasing; relative ones
    (2h - 1, d) linearly, as segment-anything's ``get_rel_pos`` does it at run time. A
    table is touched where its size differs, so that windowed blocks keep theirs to the bit.

    Args:
        source: SAM's state dict at one input size.
        target: SAM's state dict (shapes only are read) at the wanted one.
    """
    return {
        key: _resize(value, target[key].shape)
        if is_position_table(key) and key in target and value.shape != target[key].shape
        else value
        for key, value in source.items()
    }


def _resize(table: Tensor, shape: torch.Size) -> Tensor:
    if table.ndim != len(shape) or table.shape[-1] != shape[-1]:
        return table  # another width: loading reports it
    if table.ndim == 4:
        resized = F.interpolate(
            table.permute(0, 3, 1, 2).float(),
            size=tuple(shape[1:3]),
            mode="bicubic",
            antialias=True,
            align_corners=False,
        ).permute(0, 2, 3, 1)
    else:
        resized = F.interpolate(
            table.T[None].float(), size=shape[0], mode="linear", align_corners=False
        )[0].T
    return resized.to(table.dtype).contiguous()
