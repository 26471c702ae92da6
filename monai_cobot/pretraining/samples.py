"""Drawings as training samples, and their batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from monai_cobot.drawings import Drawing, draw
from monai_cobot.pretraining.config import PretrainingConfig
from monai_cobot.pretraining.interrupt import leave_interrupts_to_parent
from monai_cobot.transforms import BoxJitter, SAMFrame, boxes_from_masks

HELD_OUT_SEED = 999_983
"""Added to the seed: held-out drawings are another row, however long the training."""


@dataclass
class Batch:
    """Drawings and the objects that are asked for, model frame.

    Attributes:
        images: (B, 3, S, S) float32, normalised and padded.
        masks: (N, S, S) uint8, one a prompt.
        boxes: (N, 4) float32 XYXY, jittered.
        owner: (N,) int64, the image of each prompt.
    """

    images: Tensor
    masks: Tensor
    boxes: Tensor
    owner: Tensor


Sample = tuple[Tensor, Tensor, Tensor]
"""Image, masks and boxes of one drawing."""


class DrawingSamples(Dataset[Sample]):
    """Sample n: a drawing, mirrored and turned, with some of its objects and their jittered boxes.

    Everything depends on (seed, n) alone. Rows of drawings come ``reuse`` times, a batch apart:
    they are kept for so long, which helps where one process draws all batches.

    Args:
        config: seed, batch size, reuse, prompts and jitters.
        image_size: side S of the model frame, in pixels.
    """

    def __init__(self, config: PretrainingConfig, image_size: int) -> None:
        self.config, self.image_size = config, image_size
        self.jitters = [BoxJitter.from_mapping(j, image_size) for j in config.jitters]
        self._kept: dict[int, Drawing] = {}

    def __getitem__(self, number: int) -> Sample:
        """Image (3, S, S) float32, masks (P, S, S) uint8 and boxes (P, 4), model frame."""
        config = self.config
        rows, place = divmod(number, config.batch_size)
        drawing = self._drawing(rows // config.reuse * config.batch_size + place)
        rng = np.random.default_rng(np.random.SeedSequence((config.seed, number, 1)))
        image, masks = _turned(rng, drawing)
        turns = -(-config.prompts // len(masks))
        asked = np.concatenate([rng.permutation(len(masks)) for _ in range(turns)])
        masks = masks[asked[: config.prompts]]
        frame = SAMFrame(int(image.shape[1]), int(image.shape[2]), self.image_size)
        targets = frame.masks_to_model(torch.from_numpy(masks).to(torch.uint8))
        plain = rows < config.plain_steps
        boxes = [
            self._jittered(rng, box[None], frame.resized, plain)
            for box in boxes_from_masks(targets)
        ]
        return frame.image_to_model(torch.from_numpy(image)), targets, torch.cat(boxes)

    def _drawing(self, number: int) -> Drawing:
        if number not in self._kept:
            if len(self._kept) >= 2 * self.config.batch_size:
                del self._kept[next(iter(self._kept))]
            self._kept[number] = draw(self.config.seed, number, self.image_size)
        return self._kept[number]

    def _jittered(
        self, rng: np.random.Generator, box: Tensor, size: tuple[int, int], plain: bool
    ) -> Tensor:
        jitter = self.jitters[-1 if plain else rng.integers(len(self.jitters))]
        jitter.set_random_state(seed=int(rng.integers(2**31)))
        return jitter(box, size)


class Steps(Sampler[list[int]]):
    """The numbers of the samples of every step from ``first`` to before ``last``."""

    def __init__(self, first: int, last: int, batch_size: int) -> None:
        self.first, self.last, self.batch_size = first, last, batch_size

    def __len__(self) -> int:
        """Count the steps."""
        return max(self.last - self.first, 0)

    def __iter__(self) -> Iterator[list[int]]:
        """Give the steps in order."""
        for step in range(self.first, self.last):
            yield list(range(step * self.batch_size, (step + 1) * self.batch_size))


def batches(
    config: PretrainingConfig, image_size: int, first: int, last: int
) -> DataLoader[Sample]:
    """The batches of steps ``first`` to before ``last``."""
    return DataLoader(
        DrawingSamples(config, image_size),
        batch_sampler=Steps(first, last, config.batch_size),
        num_workers=config.workers,
        collate_fn=collate,
        worker_init_fn=leave_interrupts_to_parent,
    )


def collate(samples: Sequence[Sample]) -> Batch:
    """Put samples together; prompts of all images in one row."""
    counts = torch.tensor([len(boxes) for _, _, boxes in samples])
    return Batch(
        images=torch.stack([image for image, _, _ in samples]),
        masks=torch.cat([masks for _, masks, _ in samples]),
        boxes=torch.cat([boxes for _, _, boxes in samples]),
        owner=torch.arange(len(samples)).repeat_interleave(counts),
    )


def held_out(config: PretrainingConfig, count: int, size: int) -> Iterator[Drawing]:
    """Drawings that no training of this seed sees, ``size`` pixels at the longer side."""
    return (draw(config.seed + HELD_OUT_SEED, number, size) for number in range(count))


def _turned(
    rng: np.random.Generator, drawing: Drawing
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Image and masks in one of the eight positions of a rectangle."""
    quarter, mirrored = int(rng.integers(4)), rng.random() < 0.5
    image = np.rot90(drawing.image, quarter, (1, 2))
    masks = np.rot90(drawing.masks, quarter, (1, 2))
    if mirrored:
        image, masks = image[:, :, ::-1], masks[:, :, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(masks)
