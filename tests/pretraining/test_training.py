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

from monai_cobot.errors import CobotError
from monai_cobot.pretraining import Pretraining, PretrainingConfig, training
from monai_cobot.pretraining.losses import StepLoss, answer_loss
from monai_cobot.pretraining.prompting import Clicks, decode_prompts
from monai_cobot.pretraining.samples import Batch, batches
from monai_cobot.pretraining.training import Record
from tests.pretraining.conftest import Recipe


def train(config: PretrainingConfig, folder: Path, until: int | None = None) -> Pretraining:
    run = Pretraining(config, folder)
    run.run(until)
    return run


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
    assert [record.lr for record in run.history] == [recipe().rate(step) for step in range(6)]
    assert all(record.loss > 0 for record in run.history)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    recipe: Recipe, tmp_path: Path, workers: int
) -> None:
    """Also where it is stopped before the encoder joins, and other processes draw."""
    straight = train(recipe(), tmp_path / "a")
    for until in (1, 4):
        assert train(recipe(workers=workers), tmp_path / "b", until).step == until
    assert_same(straight, train(recipe(workers=workers), tmp_path / "b"))
    assert (tmp_path / "a" / "history.csv").read_text() == (
        tmp_path / "b" / "history.csv"
    ).read_text()


def test_a_run_is_made_longer_before_its_decay(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe(steps=5), tmp_path / "a", 3)
    assert_same(train(recipe(steps=6), tmp_path / "b"), train(recipe(steps=6), tmp_path / "a"))


def test_a_run_of_another_recipe_is_refused_and_left_as_it_is(
    recipe: Recipe, tmp_path: Path
) -> None:
    train(recipe(), tmp_path, 5)
    before = (tmp_path / "state.pt").read_bytes()
    for other in ({"lr": 2.0e-3}, {"steps": 7}):  # the decay began at step 4
        with pytest.raises(CobotError, match=r"run of another recipe \(at step 5\): give another"):
            Pretraining(recipe(**other), tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"state.pt cannot be read \(EOFError\): give another folder"),
        (b"no state", "state.pt cannot be read"),
        ([1, 2], "state.pt cannot be read"),
        ({"step": 3}, r"state.pt cannot be read \(KeyError\)"),
        ({"config": {"sam": "tiny"}, "step": 3}, "has another version's settings .* are missing"),
    ],
    ids=["empty", "text", "list", "no config", "other settings"],
)
def test_a_state_that_is_none(
    recipe: Recipe, tmp_path: Path, content: object, message: str
) -> None:
    file = tmp_path / "state.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(CobotError, match=message):
        Pretraining(recipe(), tmp_path)


def test_a_cut_off_state_and_one_of_other_weights(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe(), tmp_path, 1)
    file = tmp_path / "state.pt"
    state: dict[str, Any] = torch.load(file, weights_only=True)
    for name, value in (("network", {}), ("optimizer", {}), ("history", [{"stride": 1}])):
        torch.save({**state, name: value}, file)
        with pytest.raises(CobotError, match=r"state\.pt cannot be read"):
            Pretraining(recipe(), tmp_path)
    torch.save(state, file)
    Pretraining(recipe(), tmp_path)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(CobotError, match=r"state\.pt cannot be read .*move the files"):
        Pretraining(recipe(), tmp_path)


@pytest.mark.parametrize("name", ["history.csv", "held_out.csv", "sam_small.safetensors"])
def test_results_without_a_state_are_not_overwritten(
    recipe: Recipe, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("dear")
    with pytest.raises(CobotError, match=f"holds {name} but no state.pt .*: give another"):
        Pretraining(recipe(), tmp_path)
    assert (tmp_path / name).read_text() == "dear"


def test_a_folder_that_cannot_be_one_and_a_device_that_is_not_there(
    recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CobotError, match=r"cannot be a folder .*: give another"):
            Pretraining(recipe(), path)
    for device in ("gpu", "cuda:77"):
        with pytest.raises(CobotError, match=f"device '{device}' cannot be used .*: give cpu"):
            Pretraining(recipe(), tmp_path / "run", device)


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
    assert {row["drawings"] for row in rows} == {"2"}
    assert rows[0]["answer"] == "sam"


def test_the_same_evaluation_replaces_its_rows(recipe: Recipe, tmp_path: Path) -> None:
    run = Pretraining(recipe(), tmp_path)
    first, other = run.evaluate(2), run.evaluate(1)
    assert run.evaluate(2) == first
    assert [row["drawings"] for row in run.scores] == [1] * 9 + [2] * 9
    assert other[0].drawings == 1
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
    batch = next(iter(batches(run.config, 64, 2, 3)))
    batch.images[0, 0, 0, 0] = float("nan")
    with pytest.raises(CobotError, match=r"gradient of step 2 is not finite .* with a lower lr"):
        run.train_step(batch)
    assert all(torch.equal(value, before[k]) for k, value in run.network.state_dict().items())
    assert Pretraining(recipe(), tmp_path).step == 2


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
        calls.append(Asked(boxes is not None, count, masks, low_res[:, :1].detach()))
        return low_res, quality

    monkeypatch.setattr(training, "decode_prompts", watched)
    return calls


def test_the_first_steps_are_plain_and_later_ones_have_points_and_clicks(
    recipe: Recipe, tmp_path: Path, asked: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    focused: list[bool] = []

    def watched(*arguments: Any) -> StepLoss:
        focused.append(arguments[4])
        return answer_loss(*arguments)

    monkeypatch.setattr(training, "answer_loss", watched)
    run = Pretraining(recipe(plain_steps=2, point_share=1.0, clicks=[0.0, 0.0, 1.0]), tmp_path)
    run.run(3)
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
    config = recipe(steps=20, plain_steps=0, point_share=0.5, clicks=[0.5, 0.5], batch_size=1)
    run = train(config, tmp_path)
    kinds = {(call.boxes, call.clicks) for call in asked}
    assert kinds == {(True, 0), (True, 1), (False, 1), (False, 2)}
    assert run.optimizer.param_groups[0]["lr"] == config.rate(19)


def test_every_part_learns_from_the_first_step_on(recipe: Recipe, tmp_path: Path) -> None:
    run = Pretraining(recipe(), tmp_path)
    before = {key: value.clone() for key, value in run.network.state_dict().items()}
    run.run(1)
    now = run.network.state_dict()
    for part in ("image_encoder.blocks.0", "image_encoder.neck", "mask_decoder", "prompt_encoder"):
        assert any(not torch.equal(now[k], before[k]) for k in before if k.startswith(part)), part


def test_it_learns(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe(steps=60, warmup_steps=5, plain_steps=0, lr=3.0e-3, reuse=60, point_share=0.0,
                    clicks=[1], prompts=1, decay_steps=0)  # fmt: skip
    history = train(config, tmp_path).history
    losses = [record.loss for record in history]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
