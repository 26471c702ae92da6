"""The folder of a run: what it refuses, and that nothing in it is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.pretraining import Pretraining
from tests.pretraining.conftest import Recipe, train


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
