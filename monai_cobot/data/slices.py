"""Map-style datasets: slices over a datalist of volumes, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from monai_cobot.data.draws import DrawnDataset, Sample, collate_slices
from monai_cobot.data.spec import target_instances
from monai_cobot.errors import CobotError
from monai_cobot.transforms.slicing import volume_to_slices

__all__ = ["ImageDataset", "Sample", "SliceDataset", "collate_slices"]


@dataclass(frozen=True)
class _Slice:
    case: str
    z: int
    image: torch.Tensor
    label: torch.Tensor


class SliceDataset(DrawnDataset):
    """Slices that hold a target, each with all its organs, of all volumes of a datalist.

    Volumes are read once, when the dataset is made; of them the slices that hold a target are kept
    as plain uint8 tensors. Draws are those of :class:`~monai_cobot.data.draws.DrawnDataset`.

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
        super().__init__(transform, seed)
        self.data = data
        self._slices: list[_Slice] = []
        for item in tqdm(data, desc="reading volumes", unit="volume", disable=not progress):
            self._slices += _slices_with_target(item, volume_transform(item))
        if not self._slices:
            raise CobotError("no volume to take slices from: the datalist is empty")

    def __len__(self) -> int:
        """Count the slices, which are the draws of an epoch."""
        return len(self._slices)

    def entry(self, index: int) -> Sample:
        """Give ``image`` and ``label`` (1, H, W) of a slice, its ``case`` and ``slice``."""
        entry = self._slices[index]
        return {"image": entry.image, "label": entry.label, "case": entry.case, "slice": entry.z}


class ImageDataset(DrawnDataset):
    """Pictures that hold a target, each with all its targets, of a datalist of images.

    Pictures are read when they are drawn. Which of them hold a target the datalist says: the others
    are left out. Draws are those of :class:`~monai_cobot.data.draws.DrawnDataset`.

    Args:
        data: datalist items with ``case``, ``image`` and ``instances``.
        image_transform: item to ``image`` (1 or 3, H, W) and ``masks`` (P, H, W), uint8, slice
            frame, ``organs`` (P,), ``case``, ``slice``; see `transforms.image_transforms`.
        transform: what ``image_transform`` gives to a sample.
        seed: of the draws.
        cache: keep what was read in memory (of every worker).

    Raises:
        CobotError: no item that holds a target.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        image_transform: Callable[[Mapping[str, Any]], Sample],
        transform: Callable[[Sample], Sample],
        seed: int = 0,
        cache: bool = False,
    ) -> None:
        super().__init__(transform, seed)
        self.data = [item for item in data if target_instances(dict(item))]
        self.image_transform = image_transform
        self.cache = cache
        self._read: dict[int, Sample] = {}
        if not self.data:
            raise CobotError(
                f"none of {len(data)} pictures holds a target: give pictures with annotated masks"
            )

    def __len__(self) -> int:
        """Count the pictures with a target, which are the draws of an epoch."""
        return len(self.data)

    def entry(self, index: int) -> Sample:
        """Give a picture with its masks; CobotError where its files cannot be read."""
        if index in self._read:
            return self._read[index]
        entry = self.image_transform(self.data[index])
        if self.cache:
            self._read[index] = entry
        return entry


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
