"""A whole comparison as jobs gives what one gives that runs one by one."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.comparison.conftest import FAST, WritePlan
from tests.comparison.test_whole import start

pytestmark = pytest.mark.slow
TIMES = {"seconds_per_step", "peak_memory_bytes"}
SECONDS = 280


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a job has; another number adds up in another order."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run(plan: Path, *options: str) -> str:
    process = start(plan, *options)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    return errors


def stop_in_second_run(plan: Path, *options: str) -> None:
    """Ctrl-C, as a terminal sends it to all, as soon as the first run is done."""
    process = start(plan, *options)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[1/"):
            assert line.endswith(": done\n")
            os.killpg(process.pid, signal.SIGINT)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped: the same command goes on" in errors
    assert "Traceback" not in errors


def without_times(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: without_times(value) for key, value in found.items() if key not in TIMES}
    return [without_times(value) for value in found] if isinstance(found, list) else found


def results(out: Path) -> dict[str, Any]:
    """All that is computed; the pages and logs say times and folders."""
    found: dict[str, Any] = {}
    for name in ("*.safetensors", "*metrics.csv", "*_seg*.nii.gz", "figures/*.png"):
        found |= {str(file.relative_to(out)): file.read_bytes() for file in out.rglob(name)}
    found |= {
        str(file.relative_to(out)): without_times(json.loads(file.read_text()))["made_of"]
        for file in out.rglob("seed_*.json")
    }
    found["comparison.json"] = without_times(json.loads((out / "comparison.json").read_text()))
    with (out / "comparison.csv").open() as file:
        found["comparison.csv"] = [without_times(line) for line in csv.DictReader(file)]
    return found


@pytest.mark.timeout(4 * SECONDS)
def test_results_are_those_of_one_by_one(write_plan: WritePlan, tmp_path: Path) -> None:
    def plan(out: str) -> Path:
        lora = {"method": "lora", "orchestrate": True}
        return write_plan(out=out, methods=[lora], settings={**FAST, "checkpoint_interval": 1})

    run(plan("one"))
    one = results(tmp_path / "one")
    assert sum(name.endswith("adapter_best.safetensors") for name in one) == 2
    assert sum(name.endswith("metrics.csv") for name in one) == 2
    for out, *options in (("two", "--jobs", "2"), ("ray", "--ray", "local")):
        stop_in_second_run(plan(out), *options)
        said = run(plan(out), *options)
        assert ": kept\n" in said, (out, said)
        found = results(tmp_path / out)
        assert [*sorted(found)] == [*sorted(one)]
        for name, content in one.items():
            assert found[name] == content, (out, name)
