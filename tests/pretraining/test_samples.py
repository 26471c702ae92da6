"""Samples: reproducible, in the model frame, with tight boxes and their jitter."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_cobot.drawings import Drawing, draw
from monai_cobot.pretraining import samples
from monai_cobot.pretraining.samples import (
    HELD_OUT_SEED,
    KEPT_STEPS,
    Batch,
    DrawingSamples,
    batches,
    collate,
    held_out,
)
from tests.pretraining.conftest import SMALL_PICTURES, STAGE, Recipe

SIDE = 64
EXACT = {"mode": "proportional", "size": 0}
MEAN = np.array([123.675, 116.28, 103.53])[:, None, None]
STD = np.array([58.395, 57.12, 57.375])[:, None, None]


def tight(mask: Tensor) -> list[float]:
    rows, columns = np.nonzero(mask.numpy())
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_steps_are_consecutive_numbers(recipe: Recipe) -> None:
    def numbers(first: int, last: int, size: int) -> list[list[int]]:
        loader = batches(recipe(batch_size=size, reuse=1), 0, first, last)
        return [list(step) for step in loader.batch_sampler]

    assert numbers(0, 3, 2) == [[0, 1], [2, 3], [4, 5]]
    assert numbers(2, 4, 3) == [[6, 7, 8], [9, 10, 11]]
    assert numbers(4, 2, 3) == []


def test_a_sample_is_in_the_model_frame(recipe: Recipe) -> None:
    dataset = DrawingSamples(recipe(jitters=[EXACT], prompts=2), 0)
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
    config = recipe(jitters=[EXACT], prompts=20, reuse=1, batch_size=1)
    dataset, positions = DrawingSamples(config, 0), set()
    for number in range(48):
        drawing = draw(config.seed, dataset.drawing_number(number), SIDE)
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
    dataset = DrawingSamples(recipe(jitters=[jitter], prompts=1, batch_size=8), 0)
    shares = set()
    for number in range(8):
        _, masks, boxes = dataset[number]
        grown = (boxes[0] - torch.tensor(tight(masks[0]))).abs()
        shares.add(tuple((grown * 100).round().int().tolist()))
    assert len(shares) == 8


def test_a_drawing_is_used_again_some_steps_later(recipe: Recipe) -> None:
    """A third of every step is new; after the first steps a drawing comes three times."""
    dataset = DrawingSamples(recipe(batch_size=6, reuse=3), 0)
    steps = [
        [dataset.drawing_number(number) for number in range(6 * step, 6 * step + 6)]
        for step in range(100)
    ]
    assert all(len(set(step)) == 6 for step in steps)
    seen: dict[int, list[int]] = {}
    for number, step in enumerate(steps):
        for drawing in step:
            seen.setdefault(drawing, []).append(number)
    whole = [found for found in seen.values() if found[0] > 0 and found[-1] < 99 and len(found) > 2]
    assert len(whole) > 100
    assert {(b - a, c - b) for a, b, c in whole} == {(KEPT_STEPS, KEPT_STEPS)}
    assert max(map(len, seen.values())) == 3
    assert sorted(seen) == list(range(len(seen)))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_drawing_is_drawn_once_by_the_process_that_keeps_it(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    drawn: list[int] = []
    blank = draw(1, 0, SIDE)

    def counted(seed: int, number: int, size: int) -> Drawing:
        drawn.append(number)
        return blank

    monkeypatch.setattr(samples, "draw", counted)
    config = recipe(batch_size=4, reuse=2, workers=workers)
    processes = [DrawingSamples(config, 0) for _ in range(workers)]
    for step in range(40):
        for place in range(4):
            processes[step % workers][4 * step + place]
    kept = sum(len(process._kept) for process in processes)
    if KEPT_STEPS % workers == 0:
        assert len(drawn) == len(set(drawn))
        assert kept == 2 * KEPT_STEPS  # two of a step wait for their second use
    else:
        assert len(drawn) == 160
        assert kept == 0


def test_stages_have_drawings_and_draws_of_their_own(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = draw(1, 0, SIDE)
    wide = {**SMALL_PICTURES, "jitters": [{"mode": "symmetric", "size": 20}]}
    config = recipe(before=[wide, STAGE])
    stages = [DrawingSamples(config, number) for number in range(3)]
    assert [stage[0][0].shape[-1] for stage in stages] == [48, 64, 64]
    assert [stage.jitters[-1].size for stage in stages] == [20, 50, 50]
    used = [{stage.drawing_number(n) for n in range(2 * stage.stage.steps)} for stage in stages]
    assert not used[0] & used[1]
    assert not used[1] & used[2]
    assert max(used[1]) < min(used[2])
    monkeypatch.setattr(samples, "draw", lambda *_: drawing)
    turned = [[stage[n][0][:, :48, :48] for n in range(6)] for stage in stages[1:]]
    assert not all(torch.equal(a, b) for a, b in zip(*turned, strict=True))


def test_every_use_of_a_drawing_is_turned_and_asked_anew(recipe: Recipe) -> None:
    dataset = DrawingSamples(recipe(batch_size=8, reuse=8, prompts=1), 0)
    uses: dict[int, list[tuple[bytes, float]]] = {}
    for number in range(8 * (7 * KEPT_STEPS + 4)):
        if dataset.drawing_number(number) in range(7 * KEPT_STEPS, 7 * KEPT_STEPS + 4):
            image, masks, _ = dataset[number]
            seen = (image.numpy().tobytes(), float(masks.sum()))
            uses.setdefault(dataset.drawing_number(number), []).append(seen)
    assert [len(found) for found in uses.values()] == [8] * 4
    assert all(len(set(found)) >= 4 for found in uses.values())


def test_a_sample_depends_on_seed_and_number_alone(recipe: Recipe) -> None:
    config = recipe()
    forwards = [DrawingSamples(config, 0)[number] for number in range(4)]
    dataset = DrawingSamples(config, 0)
    backwards = [dataset[number] for number in (3, 2, 1, 0)][::-1]
    copied = pickle.loads(pickle.dumps(dataset))  # as processes that are spawned get it
    for number, (one, other) in enumerate(zip(forwards, backwards, strict=True)):
        for a, b, c in zip(one, other, copied[number], strict=True):
            assert torch.equal(a, b)
            assert torch.equal(a, c)
    other_seed = DrawingSamples(recipe(seed=4), 0)[0]
    assert not torch.equal(forwards[0][0], other_seed[0])


def test_each_box_has_one_of_the_jitters_equally_often(recipe: Recipe) -> None:
    """Exact, out by up to a tenth of the side, and out by up to 16 px at 1024: 1 px here."""
    config = recipe(
        jitters=[EXACT, {"mode": "outward", "size": 16}, {"mode": "proportional", "size": 0.5}],
        prompts=100,
    )
    dataset = DrawingSamples(config, 0)
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


def test_objects_are_asked_for_in_turn(recipe: Recipe) -> None:
    """Seven boxes: none of n objects comes more than once more often than another."""
    dataset = DrawingSamples(recipe(prompts=7, batch_size=1, reuse=1), 0)
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


def test_chosen_objects_are_another_part_at_each_use(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = DrawingSamples(recipe(prompts=1, reuse=1, batch_size=1), 0)
    drawing = draw(recipe().seed, 0, SIDE)
    monkeypatch.setattr(samples, "draw", lambda *_: drawing)
    areas = {int(dataset[number][1].sum()) for number in range(40)}
    assert areas == set(drawing.masks.sum((1, 2)).tolist())


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
def test_batches_are_the_same_wherever_they_begin(
    recipe: Recipe, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def equal(one: Batch, other: Batch) -> bool:
        return all(torch.equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(),
                                                     strict=True))  # fmt: skip

    # so short that kept drawings are met with ones that are drawn anew
    monkeypatch.setattr(samples, "KEPT_STEPS", 2)
    whole = list(batches(recipe(), 0, 0, 4))
    later = list(batches(recipe(workers=workers), 0, 1, 4))
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
    (later,) = held_out(config, 1, SIDE, first=2)
    assert np.array_equal(later.image, expected.image)
