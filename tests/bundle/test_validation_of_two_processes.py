"""Two processes validate a share each, and know the score of all cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_cobot.sam import read_manifest
from tests.bundle.conftest import ADOME, FAST, run_bundle
from tests.bundle.small_data import small_data
from tests.bundle.test_zoo import HANG_SECONDS, command_of, torchrun

EPOCHS = 2
# Single precision: two shares' gradients and scores are added up in another order.
TOLERANCE = 1e-6
# Over the steps of two epochs the weights part by that much.
LOSS_TOLERANCE = 1e-4


def validation_dice(folder: Path) -> list[float]:
    """An epoch each."""
    return scalars(folder, "validation_dice")


def scalars(folder: Path, ending: str) -> list[float]:
    """Of the one tag that ends so."""
    events = EventAccumulator(str(folder))
    events.Reload()
    (tag,) = (tag for tag in events.Tags()["scalars"] if tag.endswith(ending))
    return [event.value for event in events.Scalars(tag)]


@pytest.mark.zoo
@pytest.mark.timeout(2 * HANG_SECONDS)
@pytest.mark.parametrize("validated", [2, 3])
def test_validation_is_that_of_one_process(tmp_path: Path, validated: int) -> None:
    """Every process has the score of all cases, of an even and of an odd number of them."""
    data = small_data(ADOME, tmp_path)
    names = sorted(file.name.removesuffix(".nii.gz") for file in (data / "labels").iterdir())
    split = {"training": names[validated:], "validation": names[:validated], "test": []}
    (tmp_path / "split.json").write_text(json.dumps(split))
    ids: dict[str, Any] = {
        **FAST, "dataset_dir": str(data), "split_file": str(tmp_path / "split.json"),
        "epochs": EPOCHS, "image_size": 128,
    }  # fmt: skip
    del ids["sam_checkpoint"]  # the weights that ship: random ones answer with nothing
    one, two = tmp_path / "one", tmp_path / "two"
    run_bundle(ADOME, "train", **{**ids, "batch_size": 4, "output_dir": str(one)})
    expected = validation_dice(one / "tensorboard")
    assert len(set(expected)) == EPOCHS
    assert min(expected) > 0

    every = {
        "_target_": "TensorBoardStatsHandler",
        "log_dir": "$@output_dir + '/rank' + str(idist.get_rank())",
        "iteration_log": False,
    }
    (tmp_path / "every.yaml").write_text(yaml.safe_dump({"+validate#handlers": [every]}))
    command = command_of(
        ADOME, "train", "multi_gpu_train", **{**ids, "batch_size": 2, "output_dir": two}
    )
    place = command.index("--sam_checkpoint")
    del command[place : place + 2]
    place = command.index("--config_file") + 1
    command[place] = command[place].replace("]", f",'{tmp_path / 'every.yaml'}']")
    torchrun(command, tmp_path)
    for log in ("tensorboard", "rank0", "rank1"):
        assert validation_dice(two / log) == pytest.approx(expected, abs=TOLERANCE)
    losses = [scalars(run / "tensorboard", "train_loss") for run in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=LOSS_TOLERANCE)
    best = [
        read_manifest(run / "checkpoints" / "adapter_best.safetensors")["epoch"]
        for run in (one, two)
    ]
    assert best[0] == best[1] == 1 + expected.index(max(expected))
