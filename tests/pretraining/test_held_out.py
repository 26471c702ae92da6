"""Held-out scores against a computation of their own."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from monai_cobot.drawings import Drawing, draw
from monai_cobot.evaluation import MeanScore
from monai_cobot.pretraining import score_drawings, score_held_out
from monai_cobot.pretraining.samples import HELD_OUT_SEED
from monai_cobot.sam import BaseModel, build_random
from tests.tiny_sam import TINY

MEAN = torch.tensor([123.675, 116.28, 103.53])[:, None, None]
STD = torch.tensor([58.395, 57.12, 57.375])[:, None, None]
BASE = BaseModel("tiny", TINY.image_size, "random", "")


def by_key(scores: list[MeanScore]) -> dict[tuple[str, str], MeanScore]:
    return {(score.answer, score.box_jitter): score for score in scores}


def dice(answer: np.ndarray, truth: np.ndarray) -> float:
    return 2 * int((answer & truth).sum()) / (int(answer.sum()) + int(truth.sum()))


def test_exact_boxes_one_by_one() -> None:
    """Each object alone through segment-anything's own classes, in the drawing's pixels."""
    sam = build_random(TINY, seed=2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # a head that says yes and no, not only one of them
        for values in sam.mask_decoder.output_hypernetworks_mlps[0].parameters():
            values.copy_(torch.randn(values.shape, generator=generator))
    drawings = [draw(8, number, 64) for number in range(5)]
    found = by_key(score_drawings(sam, BASE, drawings))
    by_sam, by_box, shares = [], [], []
    for drawing in drawings:
        height, width = drawing.image.shape[1:]
        image = F.pad((torch.from_numpy(drawing.image).float() - MEAN) / STD,
                      (0, 64 - width, 0, 64 - height))  # fmt: skip
        for mask in drawing.masks:
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            filled = np.zeros_like(mask)
            filled[box[1] : box[3], box[0] : box[2]] = True
            by_box.append(dice(filled, mask))
            with torch.no_grad():
                sparse, dense = sam.prompt_encoder(
                    points=None, boxes=torch.tensor([box]).float(), masks=None
                )
                logits, _ = sam.mask_decoder(
                    image_embeddings=sam.image_encoder(image[None]),
                    image_pe=sam.prompt_encoder.get_dense_pe(),
                    sparse_prompt_embeddings=sparse,
                    dense_prompt_embeddings=dense,
                    multimask_output=False,
                )
            full = F.interpolate(logits, (64, 64), mode="bilinear", align_corners=False)[0, 0]
            answer = (full[:height, :width] > 0).numpy()
            by_sam.append(dice(answer, mask))
            shares.append(answer.mean())
    sam_score, box_score = found["zero shot", "exact"], found["filled box", "exact"]
    assert sam_score.dice == pytest.approx(np.mean(by_sam), abs=1e-3)  # a pixel at the threshold
    assert 0.1 < np.mean(shares) < 0.99
    assert box_score.dice == pytest.approx(statistics.mean(by_box))
    assert box_score.deviation == pytest.approx(statistics.stdev(by_box))
    assert (box_score.targets, box_score.patients) == (len(by_box), 5)


def test_all_answers_and_jitters_are_there_and_reproducible() -> None:
    sam = build_random(TINY, seed=2)
    sam.train()
    drawings = [draw(8, number, 64) for number in range(3)]
    found = score_drawings(sam, BASE, iter(drawings), seed=1)
    assert not sam.training
    assert list(by_key(found)) == [
        (answer, jitter)
        for jitter in ("exact", "proportional 0.1", "symmetric 50 px at 1024")
        for answer in ("zero shot", "filled box", "ellipse")
    ]
    assert found == score_drawings(sam, BASE, drawings, seed=1)
    other = by_key(score_drawings(sam, BASE, drawings, seed=2))
    key = ("filled box", "symmetric 50 px at 1024")
    assert other[key] != by_key(found)[key]
    assert other["filled box", "exact"] == by_key(found)["filled box", "exact"]
    assert by_key(found)["filled box", "exact"].dice > by_key(found)[key].dice
    assert score_drawings(sam, BASE, []) == []


def test_a_rectangle_is_what_its_box_says() -> None:
    masks = np.zeros((1, 40, 64), np.bool_)
    masks[0, 4:20, 8:40] = True
    drawing = Drawing(np.zeros((3, 40, 64), np.uint8), masks, "plain")
    found = by_key(score_drawings(build_random(TINY), BASE, [drawing]))
    assert found["filled box", "exact"].dice == 1
    assert math.isnan(found["filled box", "exact"].deviation)  # of a single one
    # an ellipse has π/4 of its box: Dice 2·π/4 / (1 + π/4)
    assert found["ellipse", "exact"].dice == pytest.approx(np.pi / 2 / (1 + np.pi / 4), abs=0.01)


def test_networks_are_compared_on_the_same_drawings_of_the_recipe() -> None:
    expected = [draw(2026 + HELD_OUT_SEED, 1_000_000 + number, 256) for number in range(2)]
    sam = build_random(TINY)
    found = score_held_out(sam, BASE, 2)
    assert found == score_drawings(sam, BASE, expected, 2026)
    assert str(found[1]) == f"filled box exact: {found[1].dice:.3f}"
