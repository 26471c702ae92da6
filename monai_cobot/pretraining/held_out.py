"""What a SAM is worth on drawings that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.modeling import Sam
from torch import Tensor

from monai_cobot.drawings import Drawing
from monai_cobot.metrics.trivial import TRIVIAL_ANSWERS
from monai_cobot.pretraining.config import PretrainingConfig
from monai_cobot.pretraining.samples import held_out
from monai_cobot.sam.promptable import predict_masks
from monai_cobot.transforms import BoxJitter, SAMFrame, boxes_from_masks

JITTERS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"mode": "proportional", "size": 0.1},
    {"mode": "symmetric", "size": 50},
)
"""Prompts of every evaluation: exact, a tenth of the box's side, 50 px at 1024."""

SIDE = 256
"""Longer side in pixels of the drawings that any two networks are compared on."""

Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class HeldOutScore:
    """Mean Dice over objects of an answer to boxes of one jitter.

    Attributes:
        answer: ``sam``, ``filled_box`` or ``ellipse``.
        box_jitter: as the tables say it: ``exact``, ``proportional 0.1``, …
        dice: mean over the objects, 0 to 1.
        deviation: their standard deviation, 0 for a single one.
        objects: how many were asked for.
        drawings: of how many pictures.
    """

    answer: str
    box_jitter: str
    dice: float
    deviation: float
    objects: int
    drawings: int

    def to_dict(self) -> dict[str, Any]:
        """A row of ``held_out.csv``."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.answer} {self.box_jitter}: {self.dice:.3f}"


def score_held_out(sam: Sam, count: int) -> list[HeldOutScore]:
    """Score a network on the first held-out drawings of the shipped recipe, 256 px wide or high.

    Args:
        sam: the network, of any size of input; all are given the same pictures and boxes.
        count: how many drawings.
    """
    config = PretrainingConfig.load()
    return score_drawings(sam, held_out(config, count, SIDE), config.seed)


@torch.no_grad()
def score_drawings(sam: Sam, drawings: Iterable[Drawing], seed: int = 0) -> list[HeldOutScore]:
    """Score the network beside filled box and ellipse, with exact and with jittered boxes.

    Args:
        sam: the network, square input; it is put into evaluation mode.
        drawings: pictures with masks; they are scored in their own pixels.
        seed: of the jitter.

    Returns:
        a score each answer and jitter; none where there is no drawing.
    """
    sam.eval()
    found: dict[tuple[str, str], list[float]] = {}
    number = -1
    for number, drawing in enumerate(drawings):
        for jitter, answers in _answers(sam, drawing, seed + number):
            for name, masks in answers.items():
                found.setdefault((name, jitter), []).extend(_dice(masks, drawing.masks))
    return [
        HeldOutScore(
            answer=answer,
            box_jitter=jitter,
            dice=float(np.mean(values)),
            deviation=float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
            objects=len(values),
            drawings=number + 1,
        )
        for (answer, jitter), values in found.items()
    ]


def _answers(sam: Sam, drawing: Drawing, seed: int) -> Iterator[tuple[str, dict[str, Masks]]]:
    """For each jitter the masks (P, h, w) of each answer; all answer the same boxes."""
    masks = torch.from_numpy(drawing.masks)
    frame = SAMFrame(int(masks.shape[1]), int(masks.shape[2]), sam.image_encoder.img_size)
    image = frame.image_to_model(torch.from_numpy(drawing.image))[None].to(sam.device)
    embedding = sam.image_encoder(image)
    exact = frame.boxes_to_model(boxes_from_masks(masks.to(torch.uint8)))
    for setting in JITTERS:
        jitter = BoxJitter.from_mapping(setting, frame.image_size)
        jitter.set_random_state(seed=seed)
        boxes: Tensor = jitter(exact, frame.resized)
        logits = predict_masks(sam, image, [boxes.to(sam.device)], embedding)[:, 0].cpu()
        answers: dict[str, Masks] = {"sam": (frame.logits_to_slice(logits) > 0).numpy()}
        in_slice = frame.boxes_to_slice(boxes).numpy()
        for name, answer in TRIVIAL_ANSWERS.items():
            answers[name] = answer(in_slice, (frame.height, frame.width))
        yield str(jitter), answers


def _dice(answers: Masks, truths: Masks) -> list[float]:
    both = (answers & truths).sum((1, 2))
    sizes = answers.sum((1, 2)) + truths.sum((1, 2))
    dice: list[float] = (2 * both / sizes).tolist()
    return dice
