"""Many masks of one picture in little memory: COCO's run lengths, decoded one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, overload

import numpy as np
import torch
from numpy.typing import NDArray

from monai_cobot.transforms.run_lengths import RunLengths, decode_masks, encode_masks

PART = 8
"""So many masks are decoded at once where a function takes several."""


class MaskRuns(Sequence[torch.Tensor]):
    """Masks (P, H, W), 0 or 1, of which only run lengths are kept.

    Indexing by a whole number decodes a mask, (H, W) uint8; by a slice or by a tensor of places it
    gives another ``MaskRuns``. A picture with hundreds of objects so takes the memory of one.

    Args:
        masks: (H, W) uint8, 0 or 1; encoded as they come.
        size: rows and columns (H, W).
    """

    def __init__(self, masks: Iterable[NDArray[np.uint8]], size: tuple[int, int]) -> None:
        self.size = size
        self._runs: list[RunLengths] = [run for mask in masks for run in encode_masks(mask[None])]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(P, H, W)."""
        return (len(self), *self.size)

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, place: int) -> torch.Tensor: ...

    @overload
    def __getitem__(self, place: slice | torch.Tensor) -> MaskRuns: ...

    def __getitem__(self, place: int | slice | torch.Tensor) -> torch.Tensor | MaskRuns:
        if isinstance(place, int):
            return torch.from_numpy(decode_masks([self._runs[place]], self.size)[0])
        chosen = MaskRuns([], self.size)
        if isinstance(place, slice):
            chosen._runs = self._runs[place]
        else:
            chosen._runs = [self._runs[number] for number in place.tolist()]
        return chosen

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self[place] for place in range(len(self)))

    def parts(self) -> Iterator[torch.Tensor]:
        """The masks decoded, (at most :data:`PART`, H, W) uint8 at a time."""
        for start in range(0, len(self), PART):
            yield torch.stack(list(self[start : start + PART]))


class Parts(Protocol):
    """Masks that are made part by part."""

    def parts(self) -> Iterator[torch.Tensor]:
        """The masks, some (N, H, W) at a time."""


def mask_parts(masks: torch.Tensor | Parts) -> Iterator[torch.Tensor]:
    """Masks (P, H, W) in parts: a tensor as a whole."""
    return iter([masks]) if isinstance(masks, torch.Tensor) else masks.parts()
