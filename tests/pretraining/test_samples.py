"""Samples: reproducible, in the model frame, with tight boxes and their jitter."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_cobot.drawings import draw
from monai_cobot.pretraining import samples
from monai_cobot.pretraining.samples import (
    HELD_OUT_SEED,
    Batch,
    DrawingSamples,
    Steps,
    batches,
    collate,
    held_out,
)
from tests.pretraining.conftest import Recipe

SIDE = 64
EXACT = {"mode": "proportional", "size": 0}
MEAN = np.array([123.675, 116.28, 103.53])[:, None, None]
STD = np.array([58.395, 57.12, 57.375])[:, None, None]


def tight(mask: Tensor) -> list[float]:
    rows, columns = np.nonzero(mask.numpy())
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_steps_are_consecutive_numbers() -> None:
    assert list(Steps(0, 3, 2)) == [[0, 1], [2, 3], [4, 5]]
    assert list(Steps(2, 4, 3)) == [[6, 7, 8], [9, 10, 11]]
    assert (len(Steps(2, 4, 3)), len(Steps(4, 2, 3))) == (2, 0)
    assert list(Steps(4, 2, 3)) == []


def test_a_sample_is_in_the_model_frame(recipe: Recipe) -> None:
    dataset = DrawingSamples(recipe(jitters=[EXACT], prompts=2), SIDE)
    for number in range(10):
        image, masks, boxes = dataset[number]
        assert image.shape == (3, SIDE, SIDE)
        assert image.dtype == torch.float32
        assert len(masks) == 2
        assert masks.shape[1:] == (SIDE, SIDE)
        assert masks.dtype == torch.uint8
        assert set(masks.unique().tolist()) == {0, 1}
        assert boxes.tolist() == [tight(mask) for mask in masks]


def test_a_sample_is_its_drawing_turned_or_mirrored(recipe: Recipe) -> None:
    """Every number gets one of the eight positions, and all of them occur."""
    config = recipe(jitters=[EXACT], prompts=20, reuse=8, batch_size=1)
    dataset, positions = DrawingSamples(config, SIDE), set()
    for number in range(48):
        drawing = draw(config.seed, number // 8, SIDE)
        image, masks, _ = dataset[number]
        matches = []
        for quarter in range(4):
            for mirrored in (False, True):
                turned, truth = (
                    np.rot90(array, quarter, (1, 2))[:, :, :: -1 if mirrored else 1]
                    for array in (drawing.image, drawing.masks)
                )
                height, width = turned.shape[1:]
                if np.allclose(image[:, :height, :width].numpy(), (turned - MEAN) / STD, atol=1e-4):
                    given = {mask.tobytes() for mask in masks[:, :height, :width].bool().numpy()}
                    assert given == {mask.tobytes() for mask in truth}
                    assert not image[:, height:].any()
                    assert not image[:, :, width:].any()
                    matches.append((quarter, mirrored))
        assert len(matches) == 1
        positions.update(matches)
    assert len(positions) == 8


def test_samples_of_one_step_are_turned_each_on_its_own(recipe: Recipe) -> None:
    """The same numbers for all of a step would show in the boxes: all moved by the same shares."""
    jitter = {"mode": "outward", "size": 16}
    dataset = DrawingSamples(recipe(jitters=[jitter], prompts=1, batch_size=8), SIDE)
    shares = set()
    for number in range(8):
        _, masks, boxes = dataset[number]
        grown = (boxes[0] - torch.tensor(tight(masks[0]))).abs()
        shares.add(tuple((grown * 100).round().int().tolist()))
    assert len(shares) == 8


def test_a_drawing_is_used_again_a_batch_apart(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def counted(seed: int, number: int, size: int) -> object:
        drawn.append(number)
        return draw(seed, number, size)

    monkeypatch.setattr(samples, "draw", counted)
    dataset = DrawingSamples(recipe(batch_size=2, reuse=3), SIDE)
    for step in Steps(0, 6, 2):
        _ = [dataset[number] for number in step]
    assert drawn == [0, 1, 2, 3]


def test_a_sample_depends_on_seed_and_number_alone(recipe: Recipe) -> None:
    config = recipe()
    forwards = [DrawingSamples(config, SIDE)[number] for number in range(4)]
    dataset = DrawingSamples(config, SIDE)
    backwards = [dataset[number] for number in (3, 2, 1, 0)][::-1]
    copied = pickle.loads(pickle.dumps(dataset))  # as processes that are spawned get it
    for number, (one, other) in enumerate(zip(forwards, backwards, strict=True)):
        for a, b, c in zip(one, other, copied[number], strict=True):
            assert torch.equal(a, b)
            assert torch.equal(a, c)
    other_seed = DrawingSamples(recipe(seed=4), SIDE)[0]
    assert not torch.equal(forwards[0][0], other_seed[0])


def test_each_box_has_one_of_the_jitters_equally_often(recipe: Recipe) -> None:
    """Exact, out by up to a tenth of the side, and out by up to 16 px at 1024: 1 px here."""
    config = recipe(
        jitters=[EXACT, {"mode": "outward", "size": 16}, {"mode": "proportional", "size": 0.5}],
        prompts=100,
        plain_steps=0,
    )
    dataset = DrawingSamples(config, SIDE)
    kinds = {"exact": 0, "outward": 0, "other": 0}
    for number in range(8):
        _, masks, boxes = dataset[number]
        for mask, box in zip(masks, boxes.double().numpy(), strict=True):
            grown = (box - tight(mask)) * [-1, -1, 1, 1]
            if not grown.any():
                kinds["exact"] += 1
            elif (grown >= -1e-5).all() and (grown <= 1 + 1e-5).all():
                kinds["outward"] += 1
            else:
                kinds["other"] += 1
        assert (boxes >= 0).all()
        assert (boxes <= SIDE).all()
    shares = np.array(list(kinds.values())) / sum(kinds.values())
    assert (np.abs(shares - 1 / 3) < 0.12).all(), kinds


def test_the_first_steps_have_the_last_jitter(recipe: Recipe) -> None:
    outward = {"mode": "outward", "size": 100}
    config = recipe(jitters=[outward, EXACT], plain_steps=2, batch_size=2, prompts=30)
    dataset = DrawingSamples(config, SIDE)
    moved = []
    for number in range(6):
        _, masks, boxes = dataset[number]
        exact = torch.tensor([tight(mask) for mask in masks])
        moved.append(bool((boxes != exact).any()))
    assert moved == [False, False, False, False, True, True]


def test_objects_are_asked_for_in_turn(recipe: Recipe) -> None:
    """Seven boxes: none of n objects comes more than once more often than another."""
    dataset = DrawingSamples(recipe(prompts=7, batch_size=1, reuse=1), SIDE)
    numbers = set()
    for number in range(20):
        drawing, (_, masks, boxes) = draw(recipe().seed, number, SIDE), dataset[number]
        assert len(masks) == len(boxes) == 7
        counts: dict[bytes, int] = {}
        for mask in masks.numpy():
            counts[mask.tobytes()] = counts.get(mask.tobytes(), 0) + 1
        assert len(counts) == min(7, len(drawing.masks))
        assert max(counts.values()) - min(counts.values()) <= 1
        numbers.add(len(counts))
    assert {1, 2} < numbers


def test_chosen_objects_are_another_part_at_each_use(recipe: Recipe) -> None:
    dataset = DrawingSamples(recipe(prompts=1, reuse=40, batch_size=1), SIDE)
    areas = {int(dataset[number][1].sum()) for number in range(40)}
    assert areas == set(draw(recipe().seed, 0, SIDE).masks.sum((1, 2)).tolist())


def test_collate_puts_the_prompts_of_all_images_in_one_row() -> None:
    def sample(value: int, prompts: int) -> tuple[Tensor, Tensor, Tensor]:
        return (
            torch.full((3, 4, 4), float(value)),
            torch.full((prompts, 4, 4), value, dtype=torch.uint8),
            torch.full((prompts, 4), float(value)),
        )

    batch = collate([sample(1, 2), sample(2, 1), sample(3, 3)])
    assert batch.images[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert batch.owner.tolist() == [0, 0, 1, 2, 2, 2]
    assert batch.masks[:, 0, 0].tolist() == [1, 1, 2, 3, 3, 3]
    assert batch.boxes[:, 0].tolist() == [1, 1, 2, 3, 3, 3]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_wherever_they_begin(recipe: Recipe, workers: int) -> None:
    def equal(one: Batch, other: Batch) -> bool:
        return all(torch.equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(),
                                                     strict=True))  # fmt: skip

    whole = list(batches(recipe(), SIDE, 0, 4))
    later = list(batches(recipe(workers=workers), SIDE, 1, 4))
    assert len(whole) == 4
    assert all(equal(one, other) for one, other in zip(whole[1:], later, strict=True))
    assert not equal(whole[0], whole[1])


def test_held_out_drawings_are_of_another_seed(recipe: Recipe) -> None:
    config = recipe()
    given = list(held_out(config, 3, SIDE))
    assert len(given) == 3
    expected = draw(config.seed + HELD_OUT_SEED, 2, SIDE)
    assert np.array_equal(given[2].image, expected.image)
    assert np.array_equal(given[2].masks, expected.masks)
