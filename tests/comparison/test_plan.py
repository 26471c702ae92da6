"""What is refused before any run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_cobot import peft
from monai_cobot.comparison.comparing import Comparison
from monai_cobot.comparison.plan_file import load_plan
from monai_cobot.errors import CobotError
from tests.bundle.conftest import ADOME, BRAST
from tests.bundle.small_data import small_data
from tests.comparison.conftest import FAST, WritePlan
from tests.conftest import REPOSITORY


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
        ({"methods": ["lora", "lora"]}, "2 methods would have the folder 'lora'"),
        (
            {"methods": ["lora", {"method": "lora", "name": "lora +", "options": {"rank": 8}}]},
            "2 methods would have the folder 'lora'",
        ),
        *(
            ({"methods": [{"method": "lora", "name": name}]}, "is no name of its own")
            for name in (
                "ellipse",
                "ellipse ",
                "Filled Box",
                "zero+shot",
                "zero_shot",
                "zero shot",
                " ",
                "+",
                ".",
                "..",
                " . ",
                "figures",
                "split.json",
            )
        ),
        ({"methods": [{"method": "lora", "name": "LoRA (published)"}]}, "marks printed rows"),
        *(
            ({"datasets": [{"bundle": str(ADOME), "dataset_dir": ".", "name": name}]}, "folder of")
            for name in ("figures", " ", ".", " ..", "comparison.csv")
        ),
        (
            {"datasets": 2 * [{"bundle": str(ADOME), "dataset_dir": "."}]},
            "2 datasets would have the folder 'adome'",
        ),
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
        ({"published": "nowhere.csv"}, "nowhere.csv cannot be read.*No such file"),
        ({"pairs": [["LoRA", "zero shot"]]}, "no row 'LoRA'"),
        ({"pairs": [["ellipse", "ellipse"]]}, "'ellipse' with itself"),
        ({"rates": {"lr": [math.inf]}}, "rates: lr: inf is no rate"),
        ({"rates": {"lr": [math.nan]}}, "rates: lr: nan is no rate"),
        ({"rates": {"lr": [1e-3], "relation_share": math.nan}}, "relation_share: nan is no rate"),
        (
            {"methods": [{"method": "lora", "rates": {"lr": [math.inf]}}]},
            "rates: lr: inf is no rate",
        ),
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
        ({"settings": {**FAST, "sam": "vit_x"}}, "vit_x"),
        ({"settings": {**FAST, "sam_checkpoint": "nowhere.pth"}}, "no SAM checkpoint at nowhere"),
        ({"settings": {**FAST, "sam": "vit_b", "sam_checkpoint": None}}, "fetch-sam vit_b"),
        ({"settings": {**FAST, "image_size": 100}}, "image_size=100"),
        ({"settings": {**FAST, "prompts": "boxes"}}, "methods: decoder only: prompts='boxes'"),
        ({"settings": {**FAST, "box_jitter": {"mode": "up", "size": 5}}}, "up"),
        ({"settings": {**FAST, "eval_box_jitter": {"mod": "shift"}}}, "is not understood"),
        ({"settings": {**FAST, "epochs": "five"}}, "epochs='five'"),
        ({"settings": {**FAST, "epochs": 2, "val_interval": 3}}, "no validation"),
        ({"settings": {**FAST, "batch_size": 0}}, "batch_size=0"),
        ({"settings": {**FAST, "weight_decay": -1.0}}, "weight_decay=-1.0"),
        ({"settings": {**FAST, "relation_lr": 1e-3}}, "relation_lr is set by the comparison"),
        ({"rates": {"lr": [1.0, 5000.0]}}, "methods: decoder only: lr=5000.0 is not"),
        (
            {"methods": [{"method": "lora", "orchestrate": True, "options": {"rank": 6}}]},
            r"methods: LoRA \+ orchestration: .*V=6 is not divisible",
        ),
    ],
)
def test_comparison_is_refused(
    write_plan: WritePlan, changes: dict[str, Any], message: str
) -> None:
    plan = load_plan(write_plan(**changes))
    with pytest.raises(CobotError, match=message):
        Comparison(plan)
    assert not plan.out.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"method,dataset\n", "lacks the columns orchestrated, metric, value, std"),
        (b"", "lacks the columns method"),
        (b"\xff\xfe\x00m", "cannot be read"),
        (
            b"method,orchestrated,dataset,metric,value,std\nlora,yes,SPLEN,DSC,1.0,0.1\n",
            "no row of this plan's methods and datasets \\(ADOME\\)",
        ),
    ],
)
def test_published_numbers_are_refused_before_any_run(
    write_plan: WritePlan, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "printed.csv").write_bytes(content)
    with pytest.raises(CobotError, match=f"published: .*printed.csv .*{message}"):
        load_plan(write_plan(published="printed.csv"))


def test_plan_of_every_method_can_run(tmp_path: Path) -> None:
    """docs/every_method.yaml on pictures of the phantoms; with compare.md's example it is all."""
    content = yaml.safe_load((REPOSITORY / "docs" / "every_method.yaml").read_text())
    content["out"] = "out"
    small_data(BRAST, tmp_path)
    content["datasets"] = [{"bundle": str(BRAST), "dataset_dir": "data"}]
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(content))
    plan = load_plan(tmp_path / "plan.yaml")
    Comparison(plan)
    rows = {(method.method, method.orchestrate) for method in plan.methods}
    others = {"lightweight", "lora", "adaptformer", "freeze"}
    assert rows == {
        (name, orchestrate)
        for name in set(peft.names()) - others
        for orchestrate in (False, True)
        if not orchestrate or peft.get(name).orchestratable
    }


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
