"""A run: the same twice, the same after a stop, and careful with its folder."""

from __future__ import annotations

import csv
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from monai_cobot.drawings import draw
from monai_cobot.errors import CobotError
from monai_cobot.pretraining import Pretraining, samples, training
from monai_cobot.pretraining.losses import StepLoss, answer_loss
from monai_cobot.pretraining.samples import Batch, batches
from monai_cobot.pretraining.training import Record
from monai_cobot.sam import Clicks, decode_prompts
from monai_cobot.sam.build import build_architecture
from monai_cobot.sam.positions import interpolate_positions
from tests.pretraining.conftest import SMALL_PICTURES, Recipe, train
from tests.tiny_sam import TINY


def assert_same(one: Pretraining, other: Pretraining) -> None:
    """Weights, the optimiser's moments and the losses, bit for bit."""
    assert one.history == other.history
    for key, value in one.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[key]), key
    moments, others = (run.optimizer.state_dict()["state"] for run in (one, other))
    assert moments.keys() == others.keys()
    for number, values in moments.items():
        assert all(torch.equal(value, others[number][name]) for name, value in values.items())


def test_a_run_is_the_same_twice_and_another_seed_is_not(recipe: Recipe, tmp_path: Path) -> None:
    run = train(recipe(), tmp_path / "a")
    assert_same(run, train(recipe(), tmp_path / "b"))
    other = train(recipe(seed=4), tmp_path / "c", 1)
    assert other.history[0].loss != run.history[0].loss
    assert run.finished
    assert [record.step for record in run.history] == list(range(6))
    assert [record.lr for record in run.history] == [
        recipe().stages[0].rate(step) for step in range(6)
    ]
    assert all(record.loss > 0 for record in run.history)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    recipe: Recipe, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also within a stage and between two, and where other processes draw."""
    monkeypatch.setattr(samples, "KEPT_STEPS", 2)  # drawings come again within the run
    config = recipe(before=[SMALL_PICTURES], workers=workers)
    straight = train(recipe(before=[SMALL_PICTURES]), tmp_path / "a")
    for until in (1, 2, 4):
        assert train(config, tmp_path / "b", until).step == until
    assert_same(straight, train(config, tmp_path / "b"))
    assert (tmp_path / "a" / "history.csv").read_text() == (
        tmp_path / "b" / "history.csv"
    ).read_text()


def test_a_stage_begins_with_the_weights_of_the_one_before(recipe: Recipe, tmp_path: Path) -> None:
    """Position tables are those of the other side, all else is carried over; moments are fresh."""
    config = recipe(before=[SMALL_PICTURES], lr=1.0e-9)
    run = train(config, tmp_path, 2)
    assert run.network.image_encoder.img_size == 48
    before = {key: value.clone() for key, value in run.network.state_dict().items()}
    assert before["image_encoder.pos_embed"].shape[1:3] == (3, 3)
    run.run(3)
    after = run.network.state_dict()
    assert run.network.image_encoder.img_size == 64
    target = build_architecture(TINY, 64).state_dict()
    for key, value in interpolate_positions(before, target).items():
        torch.testing.assert_close(after[key], value, rtol=0, atol=1e-8, msg=key)
    assert {int(m["step"]) for m in run.optimizer.state_dict()["state"].values()} == {1}
    assert run.history[2].lr == config.stages[1].rate(0)


def test_precision_is_that_of_the_recipe(recipe: Recipe, tmp_path: Path) -> None:
    """Products in bfloat16 (8 bits): near the single ones and not equal; weights stay single."""
    losses = []
    for precision in ("float32", "bfloat16"):
        run = train(recipe(precision=precision), tmp_path / precision, 1)
        losses.append(run.history[0].loss)
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_a_run_is_made_longer_before_its_decay(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe(steps=5), tmp_path / "a", 3)
    assert_same(train(recipe(steps=6), tmp_path / "b"), train(recipe(steps=6), tmp_path / "a"))


def test_state_and_tables_are_written_on_the_way(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe(state_interval=2, held_out=2, held_out_interval=3)
    run, seen = Pretraining(config, tmp_path), []
    step = run.train_step

    def watched(batch: Batch) -> Record:
        file = tmp_path / "history.csv"
        seen.append(len(file.read_text().splitlines()) - 1 if file.exists() else 0)
        return step(batch)

    run.train_step = watched  # type: ignore[method-assign]
    run.run()
    assert seen == [0, 0, 2, 2, 4, 4]
    with (tmp_path / "held_out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3"] * 9 + ["6"] * 9
    assert {row["patients"] for row in rows} == {"2"}
    assert rows[0]["answer"] == "zero shot"


def test_the_same_evaluation_replaces_its_rows(recipe: Recipe, tmp_path: Path) -> None:
    run = Pretraining(recipe(), tmp_path)
    first, other = run.evaluate(2), run.evaluate(1)
    assert run.evaluate(2) == first
    assert [row["patients"] for row in run.scores] == [1] * 9 + [2] * 9
    assert other[0].patients == 1
    assert run.evaluate() == []  # held_out is 0


def test_ctrl_c_ends_the_step_and_leaves_a_state_to_go_on_from(
    recipe: Recipe, tmp_path: Path
) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("Python takes signals in its main thread only")
    config = recipe(workers=1)
    run = Pretraining(config, tmp_path / "a")
    step = run.train_step

    def interrupted(batch: Batch) -> Record:
        if run.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(batch)

    run.train_step = interrupted  # type: ignore[method-assign]
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert signal.getsignal(signal.SIGINT) is handler
    assert run.step == 3
    resumed = Pretraining(config, tmp_path / "a")
    assert resumed.step == 3
    resumed.run()
    assert_same(resumed, train(config, tmp_path / "b"))


def test_a_gradient_that_is_not_finite_stops_before_it_does_harm(
    recipe: Recipe, tmp_path: Path
) -> None:
    run = train(recipe(), tmp_path, 2)
    before = {key: value.clone() for key, value in run.network.state_dict().items()}
    batch = next(iter(batches(run.config, 0, 2, 3)))
    batch.images[0, 0, 0, 0] = float("nan")
    with pytest.raises(CobotError, match=r"gradient of step 2 is not finite .* with a lower lr"):
        run.train_step(batch)
    assert all(torch.equal(value, before[k]) for k, value in run.network.state_dict().items())
    assert Pretraining(recipe(), tmp_path).step == 2


def test_a_stage_that_was_entered_and_not_begun_is_a_state_to_go_on_from(
    recipe: Recipe, tmp_path: Path
) -> None:
    config = recipe(before=[SMALL_PICTURES])
    run = train(config, tmp_path / "a", 2)
    batch = next(iter(batches(config, 1, 0, 1)))
    batch.images[0, 0, 0, 0] = float("nan")
    with pytest.raises(CobotError, match="gradient of step 2 is not finite"):
        run.train_step(batch)
    run.save()
    assert_same(train(config, tmp_path / "a"), train(config, tmp_path / "b"))


@dataclass
class Asked:
    """What a call of the decoder was given, and what its first mask answered."""

    boxes: bool
    clicks: int
    mask: Tensor | None
    answer: Tensor


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every call of the decoder, in turn."""
    calls: list[Asked] = []

    def watched(
        sam: Sam,
        embeddings: Tensor,
        boxes: Tensor | None = None,
        clicks: Clicks | None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        low_res, quality = decode_prompts(sam, embeddings, boxes, clicks, masks)
        count = 0 if clicks is None else clicks[0].shape[1]
        calls.append(Asked(boxes is not None, count, masks, low_res[:, :1].float().detach()))
        return low_res, quality

    monkeypatch.setattr(training, "decode_prompts", watched)
    return calls


def test_every_stage_has_its_prompts_clicks_and_loss(
    recipe: Recipe, tmp_path: Path, asked: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    focused: list[bool] = []

    def watched(*arguments: Any) -> StepLoss:
        focused.append(arguments[4])
        return answer_loss(*arguments)

    monkeypatch.setattr(training, "answer_loss", watched)
    config = recipe(before=[SMALL_PICTURES], point_share=1.0, clicks=[0.0, 0.0, 1.0])
    Pretraining(config, tmp_path).run(3)
    assert [call.boxes for call in asked] == [True, True, False, False, False]
    assert [call.clicks for call in asked] == [0, 0, 1, 2, 3]
    assert focused == [False, False, True, True, True]
    assert asked[2].mask is None
    for call, before in zip(asked[3:], asked[2:], strict=False):
        assert call.mask is not None
        assert torch.equal(call.mask, before.answer)


def test_every_step_draws_its_own_kind_of_prompts(
    recipe: Recipe, tmp_path: Path, asked: list[Asked]
) -> None:
    config = recipe(steps=20, point_share=0.5, clicks=[0.5, 0.5])
    run = train(config, tmp_path)
    kinds = {(call.boxes, call.clicks) for call in asked}
    assert kinds == {(True, 0), (True, 1), (False, 1), (False, 2)}
    assert run.optimizer.param_groups[0]["lr"] == config.stages[0].rate(19)


def test_every_part_learns_from_the_first_step_on(recipe: Recipe, tmp_path: Path) -> None:
    run = Pretraining(recipe(), tmp_path)
    before = {key: value.clone() for key, value in run.network.state_dict().items()}
    run.run(1)
    now = run.network.state_dict()
    for part in ("image_encoder.blocks.0", "image_encoder.neck", "mask_decoder", "prompt_encoder"):
        assert any(not torch.equal(now[k], before[k]) for k in before if k.startswith(part)), part


def test_it_learns(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = recipe(steps=140, warmup_steps=5, lr=3.0e-3, point_share=0.0, clicks=[1], prompts=1,
                    decay_steps=0)  # fmt: skip
    drawings = [draw(1, number, 64) for number in range(2)]
    monkeypatch.setattr(samples, "draw", lambda seed, number, size: drawings[number % 2])
    history = train(config, tmp_path).history
    losses = [record.loss for record in history]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


@pytest.mark.slow
def test_some_hundred_steps_are_the_same_twice_and_after_a_stop(
    recipe: Recipe, tmp_path: Path
) -> None:
    """With drawings that come again, another process that draws, and two stages."""
    early = {**SMALL_PICTURES, "steps": 100}
    config = recipe(before=[early], steps=200, workers=1)
    straight = train(config, tmp_path / "a")
    assert len(straight.history) == 300
    assert_same(straight, train(config, tmp_path / "b"))
    for until in (57, 100, 231):
        train(config, tmp_path / "c", until)
    assert_same(straight, train(config, tmp_path / "c"))
