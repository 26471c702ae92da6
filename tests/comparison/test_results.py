"""Numbers that are read of the folders of runs, and folders that are not whole."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from monai_cobot.comparison.answers import Cost, clinical_rows
from monai_cobot.comparison.results import (
    BrokenRunError,
    best_dice,
    check_evaluation,
    check_training,
)
from tests.comparison.conftest import make_row
from tests.comparison.left_by_runs import leave_dice, leave_evaluation, leave_training

SINGLE = 1e-6  # TensorBoard keeps single precision


def test_best_dice_is_the_highest_of_all_epochs_and_files(tmp_path: Path) -> None:
    leave_dice(tmp_path, [0.3, 0.6, math.nan, 0.5])
    assert best_dice(tmp_path) == pytest.approx(0.6, abs=SINGLE)
    leave_dice(tmp_path / "other", [0.4, 0.7])  # a continued training has two files
    (file,) = (tmp_path / "other" / "tensorboard").iterdir()
    file.rename(tmp_path / "tensorboard" / f"{file.name}.2")
    assert best_dice(tmp_path) == pytest.approx(0.7, abs=SINGLE)


def test_no_number_is_the_best_of_none(tmp_path: Path) -> None:
    leave_dice(tmp_path, [math.nan])
    assert math.isnan(best_dice(tmp_path))
    with pytest.raises(BrokenRunError, match="no validation Dice"):
        best_dice(tmp_path / "nothing")


def test_whole_training_and_evaluation_pass(tmp_path: Path) -> None:
    leave_training(tmp_path)
    check_training(tmp_path)
    leave_evaluation(tmp_path, [make_row("A", "liver", 0.5)])
    check_evaluation(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("checkpoints/adapter_best.safetensors", None),
        ("checkpoints/adapter_best.safetensors", b"no adapter"),
        ("cost.json", None),
        ("cost.json", b"{"),
        ("cost.json", b"[]"),
        ("tensorboard", None),
        ("tensorboard", b"\x00" * 100),
    ],
)
def test_training_is_not_whole(tmp_path: Path, file: str, content: bytes | None) -> None:
    leave_training(tmp_path)
    place = next((tmp_path / file).iterdir()) if file == "tensorboard" else tmp_path / file
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(BrokenRunError, match=str(tmp_path)):
        check_training(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"case,patient\n", b"\xff\xfe\x00"])
def test_evaluation_is_not_whole(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(BrokenRunError, match="no whole evaluation"):
        check_evaluation(tmp_path)
    leave_evaluation(tmp_path, [])
    with pytest.raises(BrokenRunError, match="has no row"):
        check_evaluation(tmp_path)


def test_clinical_rows_are_those_from_boxes_where_there_are_both(tmp_path: Path) -> None:
    box, organ = make_row("A", "liver", 0.7), make_row("A", "liver", 0.6)
    organ = dataclasses.replace(organ, prompts="organ")
    paper = dataclasses.replace(box, protocol="paper", dice=0.9)
    leave_evaluation(tmp_path, [organ, paper, box])
    assert [row.dice for row in clinical_rows(tmp_path)] == [0.7]
    leave_evaluation(tmp_path, [organ, dataclasses.replace(paper, prompts="organ")])
    assert [row.dice for row in clinical_rows(tmp_path)] == [0.6]


def test_cost_is_the_mean_time_and_the_highest_memory_of_the_seeds(tmp_path: Path) -> None:
    leave_training(tmp_path / "0", seconds=1.0, memory=10)
    leave_training(tmp_path / "1", seconds=2.0, memory=30)
    leave_training(tmp_path / "2", seconds=6.0, memory=20)
    size = (tmp_path / "0/checkpoints/adapter_best.safetensors").stat().st_size
    found = Cost.of([tmp_path / name for name in "012"])
    assert found == Cost(7, 57, 3.0, 30, "process", size)
