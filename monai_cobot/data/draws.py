"""Datasets whose samples are known from a seed and the number of the draw alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Randomizable
from torch.utils.data import Dataset

Sample = dict[str, Any]


class DrawnDataset(Dataset[Sample]):
    """Map-style dataset of draws without an upper end.

    Draw d is entry ``d % len(dataset)``, and its randomness comes from ``seed`` and d alone: epoch
    e sees entry i as draw ``e * len(dataset) + i``, and any worker, or a run that is resumed, gives
    the same sample.

    Args:
        transform: an entry to a sample. Seeded for each draw if it is a MONAI Randomizable.
        seed: of the draws.
    """

    def __init__(self, transform: Callable[[Sample], Sample], seed: int = 0) -> None:
        self.transform = transform
        self.seed = seed

    @abstractmethod
    def __len__(self) -> int:
        """Count the entries, which are the draws of an epoch."""

    @abstractmethod
    def entry(self, index: int) -> Sample:
        """Give what the transform is given of an entry, 0 to the length of the dataset."""

    def __iter__(self) -> Iterator[Sample]:
        """Go once through the entries, as the first epoch would in order."""
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
        return self.transform(self.entry(draw % len(self)))


def collate_slices(samples: Sequence[Sample]) -> dict[str, Any]:
    """Batch samples: images stacked to (B, 3, S, S), everything else in lists of length B.

    The number of targets P differs from slice to slice, so targets (P, S, S), boxes (P, 4) and
    organs (P,) stay apart. Images that are not in the model frame yet (``frame`` says into which
    they go) differ in size and stay apart too.
    """
    batch: dict[str, Any] = {key: [sample[key] for sample in samples] for key in samples[0]}
    if "frame" not in batch:
        batch["image"] = torch.stack(batch["image"])
    return batch


def _draw_seed(seed: int, draw: int) -> int:
    return int(np.random.SeedSequence((seed, draw)).generate_state(1)[0])
