"""A fold through training and evaluation."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from monai_cobot.errors import CobotError
from tests.bundle.conftest import Run


def test_a_fold_is_trained_and_evaluated(train: Run, evaluate: Run, tmp_path: Path) -> None:
    fold, run = {"folds": 4, "fold": 2}, tmp_path / "run"
    train(run, **fold)
    split = json.loads((run / "split.json").read_text())
    assert {key: split[key] for key in fold} == fold
    assert [len(split[side]) for side in ("training", "validation", "test")] == [2, 1, 1]
    with pytest.raises(CobotError, match=r"split\.json is fold 2 of 4, fold 1 of 4 is asked for"):
        evaluate(run, folds=4, fold=1)
    evaluate(run, **fold)
    with (run / "metrics.csv").open(newline="") as file:
        assert {row["case"] for row in csv.DictReader(file)} == set(split["test"])
