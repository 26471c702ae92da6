"""Map-style datasets: slices over a datalist of volumes, and pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from monai_cobot.data.draws import DrawnDataset, Sample, collate_slices
from monai_cobot.data.slice_cache import SliceCache
from monai_cobot.data.spec import target_instances
from monai_cobot.data.stored_stack import StoredStack
from monai_cobot.errors import CobotError
from monai_cobot.transforms.boxes import FoundBoxes
from monai_cobot.transforms.prompts import SlicePrompts, prompts_from_label
from monai_cobot.transforms.slicing import volume_to_slices

__all__ = ["ImageDataset", "Sample", "SliceDataset", "collate_slices"]


Slices: TypeAlias = NDArray[np.uint8] | StoredStack
"""Slices (Z, 1, H, W), in memory or in a file."""


@dataclass(frozen=True)
class _Slice:
    """A slice, in arrays: tensors would be moved to shared memory by a loader's workers.

    Each of them would then hold a descriptor of each slice for ever.

    Args:
        case: of its volume.
        z: its place in the volume, voxel frame.
        image: (1, H, W) uint8, slice frame; or the stack whose slice z it is.
        label: (1, H, W) uint8, or the stack.
        boxes: (P, 4) float32 XYXY, tight, slice frame; P is 0 where it holds no target.
        organs: (P,) int64, ascending.
    """

    case: str
    z: int
    image: Slices
    label: Slices
    boxes: NDArray[np.float32]
    organs: NDArray[np.int64]


class SliceDataset(DrawnDataset):
    """Slices that hold a target, each with all its organs, of all volumes of a datalist.

    Learned organ prompts have to see slices without a target too: ``empty_slices`` of them for
    each slice with one, at even distances in the volume, as far as it has so many.

    Volumes are read once, when the dataset is made; of them the slices that are drawn are kept
    in memory as bytes, or with a ``cache`` stay in its files. Draws are those of
    :class:`~monai_cobot.data.draws.DrawnDataset`.

    Args:
        data: datalist items with ``case``, ``image`` and ``label``; where an item has ``slices``
            (z, voxel frame), only these are taken.
        read: item to ``image`` and ``label``, (1, X, Y, Z) uint8, voxel frame.
        transform: ``image`` and ``label`` (1, H, W), slice frame, the label's ``found_boxes``,
            ``case`` and ``slice``, to a sample. Seeded for each draw if it is a MONAI Randomizable.
        seed: of the draws.
        empty_slices: slices without a target for each slice with one, 0 or more.
        progress: show a bar while reading.
        cache: keeps all slices on disk, from run to run and for several processes; else memory.

    Raises:
        CobotError: a volume without a target on the slices that are to be taken, or no item at
            all; the message names the label file. ``empty_slices`` is no such number.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        read: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        transform: Callable[[Sample], Sample],
        seed: int = 0,
        empty_slices: float = 0.0,
        progress: bool = False,
        cache: SliceCache | None = None,
    ) -> None:
        super().__init__(transform, seed)
        _empty_count(empty_slices, 0)  # refused before a file is read
        self.data = data
        self._slices: list[_Slice] = []
        if cache is not None:
            for item, found in zip(data, cache.stacks(data, read, progress), strict=True):
                _check_shapes(item, found.image, found.label)
                self._slices += _slices_of(
                    item, found.image, found.label, found.prompts, empty_slices
                )
            data = []
        for item in tqdm(data, desc="reading volumes", unit="volume", disable=not progress):
            self._slices += _in_memory(item, read(item), empty_slices)
        if not self._slices:
            raise CobotError("no volume to take slices from: the datalist is empty")

    def __len__(self) -> int:
        """Count the slices, which are the draws of an epoch."""
        return len(self._slices)

    def entry(self, index: int) -> Sample:
        """Give ``image``, ``label`` (1, H, W), its ``found_boxes``, ``case`` and ``slice``."""
        entry = self._slices[index]
        image, label = (_pixels(stored, entry.z) for stored in (entry.image, entry.label))
        found = FoundBoxes(label, *map(torch.tensor, (entry.boxes, entry.organs)))
        own = {"case": entry.case, "slice": entry.z}
        return {"image": image, "label": label, "found_boxes": found, **own}


class ImageDataset(DrawnDataset):
    """Pictures that hold a target, each with all its targets, of a datalist of images.

    Pictures are read when they are drawn. Which of them hold a target the datalist says: of the
    pictures that are said to hold nothing, ``empty_slices`` for each that does are taken, at even
    distances; crowds and pictures without annotation are left out. Draws are those of
    :class:`~monai_cobot.data.draws.DrawnDataset`.

    Args:
        data: datalist items with ``case``, ``image`` and ``instances``.
        read: item to ``image`` (1 or 3, H, W) and ``masks`` (P, H, W), uint8, slice
            frame, ``organs`` (P,), ``case``, ``slice``; see `transforms.image_transforms`.
        transform: what ``read`` gives to a sample.
        seed: of the draws.
        empty_slices: pictures without a target for each with one, 0 or more.
        cache: keep what was read in memory (of every worker).

    Raises:
        CobotError: no item that holds a target.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        read: Callable[[Mapping[str, Any]], Sample],
        transform: Callable[[Sample], Sample],
        seed: int = 0,
        empty_slices: float = 0.0,
        cache: bool = False,
    ) -> None:
        super().__init__(transform, seed)
        with_target = [bool(target_instances(dict(item))) for item in data]
        empty = [place for place, item in enumerate(data) if item.get("instances") == []]
        taken = set(_evenly(empty, _empty_count(empty_slices, sum(with_target))))
        self.data = [
            item for place, item in enumerate(data) if with_target[place] or place in taken
        ]
        self.read = read
        self.cache = cache
        self._kept: dict[int, Sample] = {}
        if not any(with_target):
            raise CobotError(
                f"none of {len(data)} pictures holds a target: give pictures with annotated masks"
            )

    def __len__(self) -> int:
        """Count the pictures with a target, which are the draws of an epoch."""
        return len(self.data)

    def entry(self, index: int) -> Sample:
        """Give a picture with its masks; CobotError where its files cannot be read."""
        if not self.cache:
            return self.read(self.data[index])
        if index not in self._kept:
            self._kept[index] = self.read(self.data[index])
        # A tensor that is kept would be moved to shared memory by a loader's worker, with a
        # descriptor each for ever.
        return {
            key: value.clone() if isinstance(value, torch.Tensor) else value
            for key, value in self._kept[index].items()
        }


def _in_memory(
    item: Mapping[str, Any], volume: Mapping[str, Any], empty_slices: float
) -> list[_Slice]:
    """Of a volume that was read, the slices alone that are drawn."""
    images, labels = (volume_to_slices(volume[key]).numpy() for key in ("image", "label"))
    _check_shapes(item, images, labels)
    prompts = prompts_from_label(volume["label"], item.get("slices"))
    return [
        replace(found, image=images[found.z].copy(), label=labels[found.z].copy())
        for found in _slices_of(item, images, labels, prompts, empty_slices)
    ]


def _pixels(stored: Slices, z: int) -> torch.Tensor:
    """A slice (1, H, W), whose memory nobody else has."""
    own = stored.slice(z) if isinstance(stored, StoredStack) else stored.copy()
    return torch.from_numpy(own)


def _check_shapes(item: Mapping[str, Any], images: Slices, labels: Slices) -> None:
    if images.shape[0] != labels.shape[0] or images.shape[2:] != labels.shape[2:]:
        raise CobotError(
            f"{item['label']} and {item['image']} differ in shape: give the label of this image"
        )


def _slices_of(
    item: Mapping[str, Any],
    images: Slices,
    labels: Slices,
    prompts: SlicePrompts,
    empty_slices: float,
) -> list[_Slice]:
    """The slices with a target, and as many without as asked for, ascending."""
    taken = sorted(set(item.get("slices", range(labels.shape[0]))))
    found = [z for z in taken if z in prompts]
    if not found:
        raise CobotError(
            f"empty label: {item['label']} holds no target"
            + (" on the slices taken" if "slices" in item else "")
            + ": mend the file or take the case out"
        )
    empty = [z for z in taken if z not in prompts]
    chosen = sorted(found + _evenly(empty, _empty_count(empty_slices, len(found))))
    none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    return [
        _Slice(str(item["case"]), z, images, labels, *(t.numpy() for t in prompts.get(z, none)))
        for z in chosen
    ]


def _empty_count(empty_slices: float, with_target: int) -> int:
    number = isinstance(empty_slices, int | float) and not isinstance(empty_slices, bool)
    if not number or not 0 <= empty_slices < math.inf:
        raise CobotError(f"empty_slices={empty_slices!r}: give a number of at least 0")
    return math.ceil(empty_slices * with_target)


def _evenly(values: Sequence[int], most: int) -> list[int]:
    """At most so many of the values, at even distances."""
    count = min(most, len(values))
    return [values[(2 * place + 1) * len(values) // (2 * count)] for place in range(count)]
