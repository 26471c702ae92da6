"""What is refused before any run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_cobot.comparison.comparing import Comparison
from monai_cobot.comparison.plan import load_plan
from monai_cobot.errors import CobotError
from tests.bundle.conftest import ADOME
from tests.comparison.conftest import FAST, WritePlan


def test_plan_has_names_paths_and_defaults(write_plan: WritePlan) -> None:
    plan = load_plan(write_plan())
    assert [method.name for method in plan.methods] == ["decoder only", "LoRA + orchestration"]
    assert [method.folder for method in plan.methods] == ["decoder_only", "LoRA_orchestration"]
    assert plan.datasets[0].name == "ADOME"
    assert (plan.seeds, plan.trials) == ((0,), 2)
    assert plan.out == write_plan().parent / "comparison"


def test_six_rows_of_an_ablation_are_six_methods(write_plan: WritePlan) -> None:
    """Table 1 of the paper from one file: coefficient sets and head, one by one."""
    rows: list[dict[str, Any]] = [{"method": "lora", "name": "none"}]
    for name, orchestration in {
        "ibc only": {"head": "none", "coefficients": "lm"},
        "mc only": {"head": "none", "coefficients": "mc"},
        "both sets": {"head": "none"},
        "head only": {"coefficients": "none"},
        "all": {},
    }.items():
        rows.append({
            "method": "lora", "name": name, "orchestrate": True, "orchestration": orchestration,
        })  # fmt: skip
    plan = load_plan(write_plan(methods=rows))
    assert [method.name for method in plan.methods] == [row["name"] for row in rows]
    assert plan.methods[3].ids()["orchestration"] == {"head": "none"}


def test_rate_of_the_relation_matrix_is_for_methods_that_learn_one(write_plan: WritePlan) -> None:
    """LoRA + orchestration: T = 24. A method's own word stands before the plan's."""
    orchestrated: dict[str, Any] = {"method": "lora", "orchestrate": True}
    rates = {"lr": [1e-3, 3e-3], "orchestration_lr": [1e-2, 3e-2], "relation_share": 0.5}
    methods = [
        "lora",
        orchestrated,
        {**orchestrated, "name": "mc", "orchestration": {"coefficients": "mc"}},
        {**orchestrated, "name": "fixed", "orchestration": {"relation": "random"}},
        {**orchestrated, "name": "own", "rates": {"relation_lr": [1e-5]}},
    ]
    plan = load_plan(write_plan(methods=methods, rates=rates))
    found = {method.name: plan.rates_of(method, [1.0]) for method in plan.methods}
    for tried in found["LoRA + orchestration"]:
        assert tried.relation_lr == pytest.approx(0.5 * (tried.orchestration_lr or 0))
    for name in ("LoRA", "mc", "fixed"):
        assert all(tried.relation_lr is None for tried in found[name])
    assert all(tried.relation_lr == 1e-5 for tried in found["own"])
    for changes in ({"relation_share": 0}, {"relation_lr": [1e-3], "relation_share": 0.5}):
        with pytest.raises(CobotError, match="at rates"):
            load_plan(write_plan(rates={"lr": [1e-3], **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["lorra"]}, "lorra"),
        ({"methods": ["freeze"]}, "zero shot is always a row"),
        ({"methods": [{"method": "vpt", "orchestrate": True}]}, "vpt cannot be orchestrated: "),
        ({"methods": [{"method": "lora", "options": {"rang": 4}}]}, "unknown option 'rang'"),
        (
            {"methods": [{"method": "lora", "orchestrate": True, "orchestration": {"hed": 1}}]},
            "unknown orchestration setting 'hed'",
        ),
        ({"methods": [{"method": "lora", "orchestration": {"head": "none"}}]}, "set orchestrate"),
        ({"methods": ["lora", "lora"]}, "two methods are called 'LoRA'"),
        ({"methods": [{"method": "lora", "name": "ellipse"}]}, "another name"),
        ({"rates": {"lr": ["1e-4"]}}, "rates / lr / 0.*write 1.0e-4"),
        ({"rates": {"lr": [-1.0]}}, "rates / lr / 0"),
        ({"rates": {}}, "has no lr"),
        ({"seeds": []}, "seeds"),
        ({"sedes": [0]}, "sedes"),
        ({"out": None}, "'out' is a required property"),
        ({"datasets": [{"bundle": "nowhere", "dataset_dir": "."}]}, "is no bundle"),
        (
            {"datasets": [{"bundle": str(ADOME), "dataset_dir": "nowhere"}]},
            "nowhere does not exist",
        ),
        ({"published": "nowhere.csv"}, "nowhere.csv is no file"),
        ({"pairs": [["LoRA", "zero shot"]]}, "no row 'LoRA'"),
    ],
)
def test_plan_is_refused(write_plan: WritePlan, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CobotError, match=message):
        load_plan(write_plan(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {**FAST, "epoch": 1}}, "unknown id 'epoch': did you mean epochs"),
        ({"settings": {**FAST, "lr": 1e-3}}, "lr is set by the comparison"),
        ({"trials": 3}, "decoder only has 2 settings of its rates and 3 trials"),
    ],
)
def test_comparison_is_refused(
    write_plan: WritePlan, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CobotError, match=message):
        Comparison(load_plan(write_plan(**changes)))


def test_folder_without_cases_is_refused_in_the_bundles_words(
    write_plan: WritePlan, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    plan = load_plan(write_plan(datasets=[{"bundle": str(ADOME), "dataset_dir": "empty"}]))
    with pytest.raises(CobotError, match="empty"):
        Comparison(plan)


def test_split_without_validation_is_refused(write_plan: WritePlan, phantoms: Path) -> None:
    names = sorted(file.name.removesuffix(".nii.gz") for file in (phantoms / "labels").iterdir())
    file = write_plan()
    split = {"training": names[1:], "validation": [], "test": names[:1]}
    (file.parent / "mine.json").write_text(json.dumps(split))
    dataset = {"bundle": str(ADOME), "dataset_dir": str(phantoms), "split_file": "mine.json"}
    with pytest.raises(CobotError, match="no validation part"):
        Comparison(load_plan(write_plan(datasets=[dataset])))


def test_another_split_in_the_folder_is_refused(write_plan: WritePlan, phantoms: Path) -> None:
    first = Comparison(load_plan(write_plan())).compared.studies[0]
    drawn = json.loads((first.folder / "split.json").read_text())
    drawn["training"], drawn["test"] = drawn["test"], drawn["training"]
    del drawn["hash"]
    mine = first.plan.out.parent / "mine.json"
    mine.write_text(json.dumps(drawn))
    dataset = {"bundle": str(ADOME), "dataset_dir": str(phantoms), "split_file": mine.name}
    with pytest.raises(CobotError, match="is another split"):
        Comparison(load_plan(write_plan(datasets=[dataset])))
