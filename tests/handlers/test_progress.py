"""The loss that is shown and logged is that of one process with the whole batch."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events

from monai_cobot.handlers import TrainingProgress
from monai_cobot.handlers.progress import LOGGER
from monai_cobot.losses import process_weights
from tests.two_processes import RANKS, in_two_processes

# What each prompt of an iteration costs; the processes get different numbers of them.
COSTS = [[0.5, 2.0, 1.0, 4.0, 0.25], [3.0, 1.5, 0.125], [8.0, 1.0]]
# Means of means in single precision.
TOLERANCE = 1e-6


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def run(costs: list[list[float]]) -> tuple[list[str], list[float], list[float]]:
    """Log lines, the losses that later handlers see, and the shown loss after each iteration."""

    def step(engine: Engine, batch: list[float]) -> dict[str, torch.Tensor]:
        (weight,) = process_weights([len(batch)], torch.device("cpu"))
        trained = torch.tensor(batch, requires_grad=True)
        return {"loss": trained.mean() * weight}

    lines, seen, shown = Lines(), [], []
    LOGGER.addHandler(lines)
    LOGGER.setLevel(logging.INFO)
    engine, progress = Engine(step), TrainingProgress()
    progress.attach(engine)

    @engine.on(Events.ITERATION_COMPLETED)
    def note(engine: Engine) -> None:
        seen.append(engine.state.output["loss"].item())
        shown.append(progress.values()["loss"])

    engine.run(costs, max_epochs=1)
    LOGGER.removeHandler(lines)
    return lines.lines, seen, shown


def train(rank: int, folder: Path) -> None:
    found = run([batch[:1] if rank else batch[1:] for batch in COSTS])
    (folder / f"{rank}.json").write_text(json.dumps(found))


def test_one_process_keeps_its_loss() -> None:
    lines, seen, shown = run(COSTS)
    means = [sum(batch) / len(batch) for batch in COSTS]
    assert seen == pytest.approx(means, rel=TOLERANCE)
    running = [sum(means[: n + 1]) / (n + 1) for n in range(len(means))]
    assert shown == pytest.approx(running, rel=TOLERANCE)
    assert lines == [f"epoch 1 of 1: mean loss {running[-1]:.4f} over 3 iterations"]


@pytest.mark.timeout(180)
def test_two_processes_log_the_loss_of_one(tmp_path: Path) -> None:
    in_two_processes(train, tmp_path)
    lines, seen, shown = run(COSTS)
    for rank in range(RANKS):
        logged, *found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert logged == ([] if rank else lines)
        assert found[0] == pytest.approx(seen, rel=TOLERANCE)
        assert found[1] == pytest.approx(shown, rel=TOLERANCE)
