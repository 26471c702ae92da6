"""What runs leave, written by hand: no process is started."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch.utils.tensorboard import SummaryWriter

from monai_cobot.comparison import local_jobs, steps
from monai_cobot.metrics import Row, write_csv
from monai_cobot.sam import BaseModel
from monai_cobot.sam.adapter_file import FORMAT, REQUIRED
from tests.comparison.conftest import make_row

MANIFEST = {
    "format": FORMAT,
    "base": dict.fromkeys(BaseModel.__dataclass_fields__),
    **dict.fromkeys(REQUIRED[1:]),
}


def leave_training(
    folder: Path, dice: Sequence[float] = (0.5,), seconds: float = 1.0, memory: int = 10
) -> None:
    """Adapter, validation Dice an epoch, and costs, as the bundle leaves them."""
    leave_dice(folder, dice)
    adapter = folder / "checkpoints" / "adapter_best.safetensors"
    adapter.parent.mkdir(parents=True, exist_ok=True)
    save_file({"a": torch.zeros(2)}, adapter, {"manifest": json.dumps(MANIFEST)})
    cost = {
        "seconds_per_step": seconds, "steps": 4, "peak_memory_bytes": memory,
        "memory_of": "process", "trainable": {"peft": 3, "orchestration": 4, "decoder": 50},
    }  # fmt: skip
    (folder / "cost.json").write_text(json.dumps(cost))


def leave_dice(folder: Path, dice: Sequence[float]) -> None:
    """A TensorBoard file with the validation Dice of each epoch, and another scalar."""
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for epoch, value in enumerate(dice, start=1):
            writer.add_scalar("validation_dice", value, epoch)
            writer.add_scalar("train_loss", 9.0, epoch)


def leave_evaluation(folder: Path, rows: Sequence[Row]) -> None:
    """The scores of an evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(rows, folder / "metrics.csv")


def leave_results(command: Sequence[str], log: Path, **options: object) -> int:
    """Stands for a process: leaves what a bundle run would, by the ids that it is given."""
    files, ids = read_command(command)
    folder = Path(ids["output_dir"])
    if files[1].name == "evaluate.yaml":
        case = json.loads(Path(ids["split_file"]).read_text())["test"][0]
        methods = ("lightweight", "filled_box", "ellipse")
        leave_evaluation(
            folder, [make_row("A", "liver", 0.5, case=case, method=method) for method in methods]
        )
    else:
        leave_training(folder, [ids["lr"] * 100])
    return 0


def read_command(command: Sequence[str]) -> tuple[list[Path], dict[str, Any]]:
    """Config files of a bundle run, and its ids."""
    files = [Path(file) for file in json.loads(command[-1])]
    return files, yaml.safe_load(files[-1].read_text())


class FakeBundle:
    """Stands for the processes of this machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[Path] = []
        self.leaves_nothing = ""
        monkeypatch.setattr(steps, "launch", self.run)
        monkeypatch.setattr(local_jobs, "launch", self.run)

    def run(self, command: Sequence[str], log: Path, **options: object) -> int:
        folder = Path(read_command(command)[1]["output_dir"])
        self.started.append(folder)
        if self.leaves_nothing and self.leaves_nothing in str(folder):
            return 0
        return leave_results(command, log)
