"""What runs leave, written by hand: no process is started."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.utils.tensorboard import SummaryWriter

from monai_cobot.metrics import Row, write_csv
from monai_cobot.sam import BaseModel
from monai_cobot.sam.adapter_file import FORMAT, REQUIRED

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
