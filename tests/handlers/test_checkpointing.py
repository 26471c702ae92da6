"""Which adapter is kept as the best, what is logged, and where the training ends."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events

from monai_cobot.bundle import RunFolder, adapter_file
from monai_cobot.errors import CobotError
from monai_cobot.handlers import CheckpointRun, TrainingProgress
from monai_cobot.sam import (
    SIZES,
    BaseModel,
    CobotSAM,
    build_random,
    hash_weights,
    read_manifest,
)
from tests.sam.conftest import TINY

NAN = float("nan")


class Sampler:
    start_batch = 0


def trained(folder: Path, scores: list[float], monkeypatch: pytest.MonkeyPatch) -> CheckpointRun:
    """A training of one iteration an epoch whose validation gives these scores."""
    monkeypatch.setitem(SIZES, "tiny", TINY)
    sam = build_random(TINY)
    base = BaseModel("tiny", 64, "random", hash_weights(sam.state_dict()))
    network = CobotSAM(sam, base, "lora")
    optimizer = torch.optim.Adam(network.parameter_groups(1e-3, 1e-3))
    run = RunFolder(folder, {})
    run.check()
    run.begin()
    validator, trainer = Engine(lambda *_: None), Engine(lambda *_: {"loss": torch.ones(())})
    handler = CheckpointRun(network, optimizer, Sampler(), run, {"seed": 4}, 1, validator)

    @trainer.on(Events.EPOCH_COMPLETED)
    def validate(engine: Engine) -> None:
        with torch.no_grad():  # so that every epoch's adapter is another
            next(p for p in network.parameters() if p.requires_grad).fill_(engine.state.epoch)
        validator.run([0])

    @validator.on(Events.STARTED)
    def score(engine: Engine) -> None:
        engine.state.key_metric_name = "validation_dice"
        engine.state.metrics["validation_dice"] = scores[trainer.state.epoch - 1]

    handler.attach(trainer)
    trainer.run([0], max_epochs=len(scores))
    return handler


@pytest.mark.parametrize(
    ("scores", "best"), [([0.3, 0.5, 0.4], 2), ([0.5, NAN, 0.2], 1), ([0.1, 0.1, 0.2], 3)]
)
def test_the_highest_validation_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: list[float], best: int
) -> None:
    handler = trained(tmp_path / "run", scores, monkeypatch)
    assert handler.best_epoch == best
    chosen = adapter_file(tmp_path / "run")
    assert chosen is not None
    assert chosen.name == "adapter_best.safetensors"
    manifest = read_manifest(chosen)
    assert manifest["epoch"] == best
    assert manifest["seed"] == 4
    last = adapter_file(tmp_path / "run", "last")
    assert last is not None
    assert read_manifest(last)["epoch"] == 3


def test_without_validation_the_last_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path / "run", [NAN, NAN], monkeypatch)
    chosen = adapter_file(tmp_path / "run")
    assert chosen is not None
    assert chosen.name == "adapter_last.safetensors"
    with pytest.raises(CobotError, match=r"no adapter at .*adapter_best"):
        adapter_file(tmp_path / "run", "best")
    assert adapter_file(tmp_path / "run", "none") is None


def test_interval_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match="checkpoint_interval=0"):
        CheckpointRun(None, None, Sampler(), RunFolder(tmp_path, {}), {}, interval=0)  # type: ignore[arg-type]


def test_progress_shows_mean_loss_and_validation(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    losses = iter([1.0, 3.0, 5.0, 7.0])
    validator = Engine(lambda *_: None)
    validator.state.key_metric_name = "validation_dice"
    validator.state.metrics["validation_dice"] = 0.25
    trainer = Engine(lambda *_: {"loss": torch.tensor(next(losses))})
    progress = TrainingProgress(validator)
    progress.attach(trainer)
    trainer.run([0, 0], max_epochs=2)
    assert progress.values() == {"loss": 6.0, "validation_dice": 0.25}
    assert "epoch 1 of 2: mean loss 2.0000 over 2 iterations" in caplog.text


def test_progress_draws_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    trainer = Engine(lambda *_: {"loss": torch.tensor(0.5)})
    TrainingProgress().attach(trainer)
    trainer.run([0, 0, 0], max_epochs=1)
    assert "[3/3]" in stream.getvalue()
    assert "loss=0.5" in stream.getvalue()
