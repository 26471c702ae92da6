"""A map-style dataset of slices over a datalist of volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.transforms import Randomizable
from torch.utils.data import Dataset
from tqdm import tqdm

from monai_cobot.errors import CobotError
from monai_cobot.transforms.slicing import volume_to_slices

Sample = dict[str, Any]


@dataclass(frozen=True)
class _Slice:
    case: str
    z: int
    image: torch.Tensor
    label: torch.Tensor


class SliceDataset(Dataset[Sample]):
    """Slices that hold a target, each with all its organs, of all volumes of a datalist.

    Volumes are read once, when the dataset is made; of them the slices that hold a target are kept
    as plain uint8 tensors. A sample's randomness comes from ``seed`` and the number of the draw
    alone: draw d is slice ``d % len(dataset)``, so epoch e sees slice i as draw
    ``e * len(dataset) + i``, and any worker, or a run that is resumed, gives the same sample.

    Args:
        data: datalist items with ``case``, ``image`` and ``label``; where an item has ``slices``
            (z, voxel frame), only these are taken.
        volume_transform: item to ``image`` and ``label``, (1, X, Y, Z) uint8, voxel frame.
        transform: ``image`` and ``label`` (1, H, W), slice frame, ``case`` and ``slice``,
            to a sample. Seeded for each draw if it is a MONAI Randomizable.
        seed: of the draws.
        progress: show a bar while reading.

    Raises:
        CobotError: a volume without a target on the slices that are to be taken, or no item at
            all; the message names the label file.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        volume_transform: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        transform: Callable[[Sample], Sample],
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        self.data = data
        self.transform = transform
        self.seed = seed
        self._slices: list[_Slice] = []
        for item in tqdm(data, desc="reading volumes", unit="volume", disable=not progress):
            self._slices += _slices_with_target(item, volume_transform(item))
        if not self._slices:
            raise CobotError("no volume to take slices from: the datalist is empty")

    def __len__(self) -> int:
        """Count the slices, which are the draws of an epoch."""
        return len(self._slices)

    def __iter__(self) -> Iterator[Sample]:
        """Go once through the slices, as the first epoch would in order."""
        return (self[draw] for draw in range(len(self)))

    def __getitem__(self, draw: int) -> Sample:
        """Give the sample of a draw, 0 or more and without an upper end.

        Raises:
            IndexError: the draw is negative.
        """
        if draw < 0:
            raise IndexError(f"draw {draw} is negative: draws count from 0")
        if isinstance(self.transform, Randomizable):
            self.transform.set_random_state(seed=_draw_seed(self.seed, draw))
        entry = self._slices[draw % len(self)]
        return self.transform(
            {"image": entry.image, "label": entry.label, "case": entry.case, "slice": entry.z}
        )


def collate_slices(samples: Sequence[Sample]) -> dict[str, Any]:
    """Batch samples: images stacked to (B, 3, S, S), everything else in lists of length B.

    The number of organs P differs from slice to slice, so targets (P, S, S), boxes (P, 4) and
    organs (P,) stay apart.
    """
    batch: dict[str, Any] = {key: [sample[key] for sample in samples] for key in samples[0]}
    batch["image"] = torch.stack(batch["image"])
    return batch


def _slices_with_target(item: Mapping[str, Any], volume: Mapping[str, Any]) -> list[_Slice]:
    images, labels = volume_to_slices(volume["image"]), volume_to_slices(volume["label"])
    if images.shape[0] != labels.shape[0] or images.shape[2:] != labels.shape[2:]:
        raise CobotError(
            f"{item['label']} and {item['image']} differ in shape: give the label of this image"
        )
    holds_target = labels.flatten(1).any(dim=1)
    taken = set(item.get("slices", range(len(labels))))
    found = [z for z in torch.nonzero(holds_target)[:, 0].tolist() if z in taken]
    if not found:
        raise CobotError(
            f"empty label: {item['label']} holds no target"
            + (" on the slices taken" if "slices" in item else "")
            + ": mend the file or take the case out"
        )
    return [_Slice(str(item["case"]), z, images[z].clone(), labels[z].clone()) for z in found]


def _draw_seed(seed: int, draw: int) -> int:
    return int(np.random.SeedSequence((seed, draw)).generate_state(1)[0])
