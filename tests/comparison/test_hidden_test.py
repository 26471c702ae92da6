"""The test part is not read before the final evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from monai_cobot.comparison.comparing import Comparison
from monai_cobot.comparison.hidden_test import known_split, seen_cases
from monai_cobot.comparison.plan_file import load_plan
from monai_cobot.comparison.steps import BrokenRunError
from monai_cobot.data.split_file import Split
from tests.bundle.conftest import ADOME
from tests.comparison.conftest import WritePlan


def test_trainings_are_given_the_other_cases_and_the_whole_splits_hash(
    write_plan: WritePlan,
) -> None:
    study = Comparison(load_plan(write_plan())).compared.studies[0]
    file = study.folder / "split.json"
    split = Split.load(file)
    assert split.test
    assert {case["case"] for case in seen_cases(file)} == {*split.training, *split.validation}
    assert known_split(file).hash == split.hash == study.split_hash


def test_training_does_not_open_the_files_that_the_evaluation_needs(
    write_plan: WritePlan, phantoms: Path, tmp_path: Path
) -> None:
    """The test case's files hold no volume: a training does not notice, the evaluation does."""
    data = shutil.copytree(phantoms, tmp_path / "data")
    names = sorted(file.name.removesuffix(".nii.gz") for file in (data / "labels").iterdir())
    hidden = names[2]
    for file in (data / "images" / f"{hidden}_0000.nii.gz", data / "labels" / f"{hidden}.nii.gz"):
        file.write_bytes(b"no volume")
    split = {"training": names[3:], "validation": names[:2], "test": [hidden]}
    (tmp_path / "mine.json").write_text(json.dumps(split))
    dataset = {"bundle": str(ADOME), "dataset_dir": "data", "split_file": "mine.json"}
    plan = load_plan(write_plan(datasets=[dataset]))
    study = Comparison(plan).compared.studies[0]
    method = plan.methods[0]
    rates = study.rates[method.name][0]
    step = study.training(method, rates, 0)
    assert step.run()
    trained_on = json.loads((step.folder / "split.json").read_text())
    assert trained_on["test"] == [hidden]
    with pytest.raises(BrokenRunError, match=hidden):
        study.evaluation(method, rates, 0).run()
    assert not step.run()  # kept
