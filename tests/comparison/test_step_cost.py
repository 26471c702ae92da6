"""Costs that a training writes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ignite.engine import Engine

from monai_cobot.comparison import step_cost
from monai_cobot.comparison.step_cost import FILE, StepCost, peak_memory
from monai_cobot.sam import build_adapted_sam

PAUSE = 0.02  # seconds
SLACK = 0.05  # seconds that a busy machine may add
COUNTERS = 0.02  # the kernel sums its counters up in batches of pages


def test_step_is_timed_without_its_loading(tmp_path: Path) -> None:
    model = build_adapted_sam("small", "random", 64, "lora")

    def slow_batches() -> Iterator[int]:
        for batch in range(6):
            time.sleep(5 * PAUSE)
            yield batch

    def step(engine: Engine, batch: int) -> None:
        time.sleep(PAUSE)

    engine = Engine(step)
    StepCost(model, tmp_path).attach(engine)
    engine.run(slow_batches(), max_epochs=2, epoch_length=3)
    found = json.loads((tmp_path / FILE).read_text())
    assert found["steps"] == 6
    assert PAUSE <= found["seconds_per_step"] < PAUSE + SLACK
    assert found["memory_of"] == "process"
    assert found["trainable"] == model.trainable_parameters()


def test_peak_memory_is_the_kernels_high_water_mark() -> None:
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("no /proc on this system: there is nothing to hold the peak against")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    kilobytes = int(line.split()[1])
    assert peak_memory(cuda=False) / 1024 == pytest.approx(kilobytes, rel=COUNTERS)


def test_peak_memory_of_the_process_that_started_this_one_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ru_maxrss`` outlives exec on Linux; without a high water mark it is all there is."""
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n")
    monkeypatch.setattr(step_cost, "STATUS", status)
    assert peak_memory(cuda=False) == 2 * 2**20
    status.write_text("Name:\tpython\n")
    assert peak_memory(cuda=False) > 2 * 2**20
