"""What a SAM is worth on drawings that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from segment_anything.modeling import Sam

from monai_cobot.drawings import Drawing
from monai_cobot.evaluation import JITTERS, BoxEvaluation, MeanScore, mean_scores, plain_run
from monai_cobot.pretraining.config import PretrainingConfig
from monai_cobot.pretraining.samples import held_out
from monai_cobot.sam import BaseModel, predict_masks
from monai_cobot.transforms import BoxJitter

DATASET = "drawings"
UNSEEN = 1_000_000
"""Number of the first drawing that networks are compared on: those of a training's own table, by
which its length may have been chosen, come before."""
SIDE = 256
"""Longer side in pixels of the drawings that any two networks are compared on."""


def score_held_out(sam: Sam, base: BaseModel, count: int) -> list[MeanScore]:
    """Score a network on held-out drawings that no training's table has, 256 px wide or high.

    Args:
        sam: the network, of any size of input; all are given the same pictures.
        base: its identity.
        count: how many drawings.
    """
    config = PretrainingConfig.load()
    return score_drawings(sam, base, held_out(config, count, SIDE, UNSEEN), config.seed)


def score_drawings(
    sam: Sam, base: BaseModel, drawings: Iterable[Drawing], seed: int = 0
) -> list[MeanScore]:
    """Score the network beside filled box and ellipse, with exact and with jittered boxes.

    Args:
        sam: the network, square input; it is put into evaluation mode.
        base: its identity.
        drawings: pictures with masks; they are scored in their own pixels.
        seed: of the jitter.

    Returns:
        a score each jitter and answer; none where there is no drawing.
    """
    network = partial(predict_masks, sam.eval())
    jitters = [BoxJitter.from_mapping(setting, base.image_size) for setting in JITTERS]
    evaluations = [
        BoxEvaluation(network, plain_run(base, jitter, seed), jitter, seed, sam.device)
        for jitter in jitters
    ]
    rows = [
        row
        for number, drawing in enumerate(drawings)
        for evaluation in evaluations
        for row in evaluation.of_masks(
            torch.from_numpy(drawing.image),
            torch.from_numpy(drawing.masks).to(torch.uint8),
            ["object"] * len(drawing.masks),
            case=str(number),
            patient=str(number),
            instances=range(len(drawing.masks)),
        )
    ]
    return mean_scores(DATASET, rows)
