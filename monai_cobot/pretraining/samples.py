"""Drawings as training samples, and their batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from monai_cobot.drawings import Drawing, draw
from monai_cobot.pretraining.config import PretrainingConfig
from monai_cobot.pretraining.interrupt import leave_interrupts_to_parent
from monai_cobot.transforms import BoxJitter, SAMFrame, boxes_from_masks

KEPT_STEPS = 16
"""Steps between two uses of a drawing. Up to so many workers find what they drew themselves."""
WORKER_NICENESS = 10
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
    """Samples of a stage: a drawing, mirrored and turned, some objects, their jittered boxes.

    Everything depends on (seed, stage, n) alone. A step draws a share 1 / ``reuse`` of its pictures
    anew; the others are those that earlier steps drew, ``KEPT_STEPS``, twice ``KEPT_STEPS``, …
    steps before. They are kept for so long, where the processes take turns so that it helps.

    Args:
        config: seed, reuse and stages.
        number: which stage.
    """

    def __init__(self, config: PretrainingConfig, number: int) -> None:
        self.config, self.number, self.stage = config, number, config.stages[number]
        self.jitters = [
            BoxJitter.from_mapping(j, self.stage.image_size) for j in self.stage.jitters
        ]
        self.fresh = self.stage.batch_size // config.reuse
        """Pictures that a step draws anew."""
        self.offset = sum(
            (stage.steps + KEPT_STEPS * config.reuse) * stage.batch_size
            for stage in config.stages[:number]
        )
        """Drawings that earlier stages may have had."""
        self.comes_back = KEPT_STEPS % max(config.workers, 1) == 0
        """Whether the process that draws a drawing is the one that uses it again."""
        self._kept: dict[int, Drawing] = {}

    def __getitem__(self, number: int) -> Sample:
        """Image (3, S, S) float32, masks (P, S, S) uint8 and boxes (P, 4), model frame."""
        stage = self.stage
        drawing = self._drawing(number)
        rng = np.random.default_rng(
            np.random.SeedSequence((self.config.seed, self.number, number, 1))
        )
        image, masks = _turned(rng, drawing)
        turns = -(-stage.prompts // len(masks))
        asked = np.concatenate([rng.permutation(len(masks)) for _ in range(turns)])
        masks = masks[asked[: stage.prompts]]
        frame = SAMFrame(int(image.shape[1]), int(image.shape[2]), stage.image_size)
        targets = frame.masks_to_model(torch.from_numpy(masks).to(torch.uint8))
        boxes = [self._jittered(rng, box[None], frame.resized) for box in boxes_from_masks(targets)]
        return frame.image_to_model(torch.from_numpy(image)), targets, torch.cat(boxes)

    def drawing_number(self, number: int) -> int:
        """Which drawing sample ``number`` of the stage shows."""
        step, place = divmod(number, self.stage.batch_size)
        age, slot = divmod(place, self.fresh)
        row = step + KEPT_STEPS * (self.config.reuse - 1 - age)
        return self.offset + row * self.fresh + slot

    def _drawing(self, sample: int) -> Drawing:
        """The drawing of a sample; it is kept until its last use."""
        number = self.drawing_number(sample)
        drawing = self._kept.pop(number, None)
        if drawing is None:
            drawing = draw(self.config.seed, number, self.stage.image_size)
        last_use = sample % self.stage.batch_size // self.fresh == self.config.reuse - 1
        if self.comes_back and not last_use:
            self._kept[number] = drawing
        return drawing

    def _jittered(self, rng: np.random.Generator, box: Tensor, size: tuple[int, int]) -> Tensor:
        jitter = self.jitters[rng.integers(len(self.jitters))]
        jitter.set_random_state(seed=int(rng.integers(2**31)))
        return jitter(box, size)


def batches(config: PretrainingConfig, stage: int, first: int, last: int) -> DataLoader[Sample]:
    """The batches of a stage's steps ``first`` to before ``last``, in order."""
    size = config.stages[stage].batch_size
    return DataLoader(
        DrawingSamples(config, stage),
        batch_sampler=[list(range(step * size, (step + 1) * size)) for step in range(first, last)],
        num_workers=config.workers,
        collate_fn=collate,
        worker_init_fn=prepare_worker,
    )


def prepare_worker(worker: int) -> None:
    """A process that draws leaves Ctrl-C to its parent, and the cores, where they are short."""
    leave_interrupts_to_parent(worker)
    os.nice(WORKER_NICENESS)


def collate(samples: Sequence[Sample]) -> Batch:
    """Put samples together; prompts of all images in one row."""
    counts = torch.tensor([len(boxes) for _, _, boxes in samples])
    return Batch(
        images=torch.stack([image for image, _, _ in samples]),
        masks=torch.cat([masks for _, masks, _ in samples]),
        boxes=torch.cat([boxes for _, _, boxes in samples]),
        owner=torch.arange(len(samples)).repeat_interleave(counts),
    )


def held_out(config: PretrainingConfig, count: int, size: int, first: int = 0) -> Iterator[Drawing]:
    """Drawings that no training of this seed sees, ``size`` pixels at the longer side.

    Args:
        config: whose seed.
        count: how many.
        size: longer side in pixels.
        first: number of the first one in their row.
    """
    return (
        draw(config.seed + HELD_OUT_SEED, number, size) for number in range(first, first + count)
    )


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
