"""A run that was killed ends with the weights of one that was not."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from safetensors.torch import load_file

from monai_cobot.errors import CobotError
from monai_cobot.handlers import SeedIterations
from tests.bundle.conftest import ADOME, FAST, Run, run_bundle

EPOCH_LENGTH = 8  # batches; asserted below


class Killed(Exception):
    """Stands for the end of the process."""


def weights(folder: Path, which: str = "last") -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / f"adapter_{which}.safetensors")


def assert_same(first: Path, second: Path) -> None:
    for which in ("last", "best"):
        a, b = weights(first, which), weights(second, which)
        assert a.keys() == b.keys()
        for key, value in a.items():
            assert torch.equal(value, b[key]), key


def kill_at(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    attach = SeedIterations.attach

    def attach_killer(self: SeedIterations, engine: Engine) -> None:
        attach(self, engine)

        def kill(engine: Engine) -> None:
            raise Killed

        engine.add_event_handler(Events.ITERATION_STARTED(once=iteration), kill)

    monkeypatch.setattr(SeedIterations, "attach", attach_killer)


def train_until(
    iteration: int, monkeypatch: pytest.MonkeyPatch, train: Run, folder: Path, **ids: Any
) -> None:
    """A training that ends as that iteration begins."""
    with monkeypatch.context() as patch:
        kill_at(patch, iteration)
        with pytest.raises(RuntimeError) as caught:
            train(folder, **ids)
    cause: BaseException | None = caught.value
    while cause is not None and not isinstance(cause, Killed):
        cause = cause.__cause__
    assert cause is not None, "it ended by another error"


def count_iterations(monkeypatch: pytest.MonkeyPatch, ran: list[int]) -> None:
    call = SeedIterations.__call__

    def count(self: SeedIterations, engine: Engine) -> None:
        ran.append(engine.state.iteration)
        call(self, engine)

    monkeypatch.setattr(SeedIterations, "__call__", count)


@pytest.mark.parametrize(
    ("method", "iteration"), [("lora", 6), ("adaptformer", 10), ("adaptformer", 2)]
)
def test_resumed_run_equals_an_uninterrupted_one(
    train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, iteration: int
) -> None:
    """Adaptformer has dropout, whose draws have to be replayed too."""
    ids: dict[str, Any] = {"method": method, "epochs": 2, "checkpoint_interval": 3}
    train(tmp_path / "whole", **ids)
    train_until(iteration, monkeypatch, train, tmp_path / "killed", **ids)
    state = tmp_path / "killed" / "checkpoints" / "training_state.pt"
    assert state.exists() == (iteration > 3)
    ran: list[int] = []
    count_iterations(monkeypatch, ran)
    train(tmp_path / "killed", **ids)
    # The state is written at every third iteration, and at the epoch's end instead of its last.
    done = {2: 0, 6: 3, 10: 9}[iteration]
    assert (ran[0], ran[-1]) == (done + 1, 2 * EPOCH_LENGTH)
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_killed_process_resumes(cohort: Path, train: Run, tmp_path: Path) -> None:
    """SIGKILL in mid-epoch, by the command that users type, from another working directory."""
    ids = {**FAST, "method": "adaptformer", "epochs": 2, "checkpoint_interval": 2}
    ids |= {"dataset_dir": str(cohort)}
    command = [sys.executable, "-m", "monai.bundle", "run"]
    command += ["--config_file", str(ADOME / "configs" / "train.yaml")]
    for name, value in {**ids, "output_dir": str(tmp_path / "killed")}.items():
        command += [f"--{name}", str(value)]
    state = tmp_path / "killed" / "checkpoints" / "training_state.pt"
    quiet: dict[str, Any] = {"cwd": tmp_path, "stderr": subprocess.PIPE, "text": True}
    quiet["env"] = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, **quiet)
    try:
        deadline = time.monotonic() + 120
        while not state.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert state.exists(), "killed before there was a state to go on from, or after the end"
    resumed = subprocess.run(command, check=True, **quiet)
    assert "continuing after iteration" in resumed.stderr
    command[command.index("--output_dir") + 1] = str(tmp_path / "whole")
    subprocess.run(command, check=True, **quiet)
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_finished_and_foreign_runs_are_refused(train: Run, tmp_path: Path) -> None:
    train(tmp_path / "run")
    before = weights(tmp_path / "run")
    with pytest.raises(CobotError, match=r"is finished: evaluate it, choose another output_dir"):
        train(tmp_path / "run")
    with pytest.raises(CobotError, match=r"another configuration \(lr 0\.001 there and 0\.002"):
        train(tmp_path / "run", lr=2e-3)
    with pytest.raises(CobotError, match=r"another configuration \(method 'lora' there and"):
        train(tmp_path / "run", method="adaptformer")
    for key, value in weights(tmp_path / "run").items():
        assert torch.equal(value, before[key])
    train(tmp_path / "run", lr=2e-3, overwrite="true")
    assert any(
        not torch.equal(value, before[key]) for key, value in weights(tmp_path / "run").items()
    )


def test_unfinished_run_is_not_continued_where_that_is_not_wanted(
    train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(5, monkeypatch, train, tmp_path / "run", checkpoint_interval=2)
    with pytest.raises(CobotError, match="holds an unfinished run: set resume: auto"):
        train(tmp_path / "run", checkpoint_interval=2, resume="never")


@pytest.mark.parametrize(
    ("ids", "differences"),
    [
        ({"precision": "bf16"}, ["precision 'fp32' there and 'bf16' here"]),
        ({"checkpoint_blocks": "true"}, ["checkpoint_blocks False there and True here"]),
        ({"accumulation": 2}, ["accumulation 1 there and 2 here"]),
        ({"last_blocks": 3}, ["last_blocks None there and 3 here"]),
        ({"prompt_chunk": 2}, ["prompt_chunk 16 there and 2 here"]),
        ({"attention": "tiled"}, ["attention 'auto' there and 'tiled' here"]),
        (
            {"memory": "8gb"},
            [
                "checkpoint_blocks False there and True here",
                "memory None there and '8gb' here",
                "precision 'fp32' there and 'bf16' here",
                "prompt_chunk 16 there and 4 here",
            ],
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_differs_is_named_with_both_values(
    train: Run, tmp_path: Path, unfinished: Path, ids: dict[str, Any], differences: list[str]
) -> None:
    """All of it and nothing else; a rounding counts too, since a run goes on exactly."""
    message = (
        f"output_dir {unfinished} holds a run of another configuration ({'; '.join(differences)}): "
        "give its values to continue it, choose another output_dir, or set overwrite: true to "
        "replace it"
    )
    with pytest.raises(CobotError, match=f"^{re.escape(message)}$"):
        train(unfinished, **ids)


@pytest.fixture(scope="module")
def unfinished(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended before it was marked as finished."""
    folder = tmp_path_factory.mktemp("runs") / "unfinished"
    ids = {"dataset_dir": str(cohort), "output_dir": str(folder), "epochs": 1, **FAST}
    run_bundle(ADOME, "train", **ids)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "status": "unfinished"}))
    return folder


def test_changed_files_and_overridden_parts_are_another_configuration(
    cohort: Path, train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no id names counts too: the bytes of the images, and any part of the config."""
    data = shutil.copytree(cohort, tmp_path / "data")
    ids: dict[str, Any] = {"dataset_dir": str(data), "checkpoint_interval": 2}
    train_until(5, monkeypatch, train, tmp_path / "run", **ids)
    message = r"another configuration \(loss#squared_pred True there and False here\): give its"
    with pytest.raises(CobotError, match=message):
        train(tmp_path / "run", **ids, **{"loss#squared_pred": False})
    moved = shutil.move(data, tmp_path / "moved")
    ids["dataset_dir"] = str(moved)
    image = tmp_path / "moved" / "images" / "phantom_0001_0000.nii.gz"
    original = image.read_bytes()
    shutil.copy(tmp_path / "moved" / "images" / "phantom_0002_0000.nii.gz", image)
    with pytest.raises(CobotError, match=r"another configuration \(files_sha256"):
        train(tmp_path / "run", **ids)
    image.write_bytes(original)
    train(tmp_path / "run", **ids)  # the same files elsewhere are the same run


def test_folder_with_other_files_is_left_alone(train: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(CobotError, match="is not empty and holds no run of this package"):
        train(tmp_path / "thesis")
    with pytest.raises(CobotError, match="is not empty and holds no run of this package"):
        train(tmp_path / "thesis", overwrite=True)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_damaged_state_names_the_way_out(
    train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(5, monkeypatch, train, tmp_path / "run", checkpoint_interval=2)
    (tmp_path / "run" / "checkpoints" / "training_state.pt").write_bytes(b"PK damaged")
    with pytest.raises(CobotError, match=r"training_state\.pt cannot be read .*overwrite: true"):
        train(tmp_path / "run", checkpoint_interval=2)
