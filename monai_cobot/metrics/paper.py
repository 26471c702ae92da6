"""The paper's medical score, kept apart from the clinical one.

One Dice an organ over the pooled pixels of all test slices at 256 x 256 (method.md's protocol,
after the released code): large cases weigh more than small ones, slices with little target and
volumes with little target are left out, and nothing is said of a single patient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from monai_cobot.errors import CobotError
from monai_cobot.metrics.volume import ScoredOrgan

SIZE = 256
SLICE_THRESHOLD = 100
VOLUME_THRESHOLD = 1000

CONVENTION = (
    f"one Dice an organ over the pooled pixels of all test slices, resized (nearest) to {SIZE} x "
    f"{SIZE}; slices with {SLICE_THRESHOLD} pixels of the organ or fewer (after resizing) and "
    f"volumes with {VOLUME_THRESHOLD} voxels of it or fewer (before) are left out; true_voxels "
    "and predicted_voxels are pooled pixels"
)

CONVENTION_OF_PICTURES = (
    "one Dice an instance, from the exact box around its truth, as the authors' logs of SONAR "
    "print a test Dice where the paper's table says mIoU; how the released code averages is not "
    "known: here the mean is over the instances (mean_over_rows, mdice_over_instances)"
)


@dataclass(frozen=True)
class PooledScore:
    """One organ's pooled Dice (NaN if no slice counted) and what went into it."""

    organ: str
    dice: float
    true_pixels: int
    predicted_pixels: int
    slices: int
    volumes: int

    @property
    def iou(self) -> float:
        """Its pooled IoU, which the Dice decides: common / (true + predicted - common)."""
        return self.dice / (2 - self.dice)


class PooledDice:
    """Adds up volumes, a stack of slices at a time, and gives one Dice an organ.

    Args:
        organs: the organs to score; other labels are background.
    """

    def __init__(self, organs: Sequence[ScoredOrgan]) -> None:
        self.organs = tuple(organs)
        # A row an organ: common, true and predicted pixels, slices, volumes.
        self._sums = np.zeros((len(self.organs), 5), dtype=np.int64)

    def add(self, prediction: NDArray[Any], truth: NDArray[Any]) -> None:
        """Add one volume.

        Args:
            prediction: (Z, H, W) integers, slice frame.
            truth: (Z, H, W) integers, slice frame.

        Raises:
            CobotError: the shapes differ or are not (Z, H, W).
        """
        if prediction.shape != truth.shape or truth.ndim != 3:
            raise CobotError(
                f"prediction {prediction.shape} and truth {truth.shape} must be one (Z, H, W): "
                "give both as stacks of slices of one volume"
            )
        small_prediction, small_truth = _resize(prediction), _resize(truth)
        for row, organ in enumerate(self.organs):
            if np.count_nonzero(truth == organ.label) <= VOLUME_THRESHOLD:
                continue
            true = small_truth == organ.label
            kept = true.sum(axis=(1, 2)) > SLICE_THRESHOLD
            true, predicted = true[kept], small_prediction[kept] == organ.label
            self._sums[row] += (
                (true & predicted).sum(),
                true.sum(),
                predicted.sum(),
                kept.sum(),
                kept.any(),
            )

    def join(self, other: PooledDice) -> None:
        """Add the volumes of another one of the same organs."""
        self._sums += other._sums

    def result(self) -> list[PooledScore]:
        """Give one score an organ, in the order of the organs, over all volumes so far."""
        return [
            PooledScore(
                organ=organ.name,
                dice=2 * common / (true + predicted) if true else math.nan,
                true_pixels=true,
                predicted_pixels=predicted,
                slices=slices,
                volumes=volumes,
            )
            for organ, (common, true, predicted, slices, volumes) in zip(
                self.organs, self._sums.tolist(), strict=True
            )
        ]


def _resize(labels: NDArray[Any]) -> NDArray[Any]:
    """(Z, H, W) labels to (Z, 256, 256): the label at the nearest pixel centre."""
    stack = torch.from_numpy(labels.astype(np.uint8))[None]
    resized: NDArray[Any] = interpolate(stack, size=(SIZE, SIZE), mode="nearest-exact")[0].numpy()
    return resized
