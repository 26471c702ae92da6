"""The order of the runs, and what happens to broken ones. No run is made: a fake stands in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_cobot.comparison import study, trials
from monai_cobot.comparison.comparing import Comparison
from monai_cobot.comparison.plan_file import load_plan
from monai_cobot.comparison.report import write_report
from monai_cobot.comparison.results import BrokenRunError
from monai_cobot.comparison.steps import Step
from monai_cobot.comparison.study import Study
from monai_cobot.errors import CobotError
from tests.bundle.conftest import ADOME
from tests.comparison.conftest import WritePlan


class FakeRuns:
    """Stands for the processes; trials score by their rate, and some are broken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.broken = ""
        monkeypatch.setattr(Step, "run", lambda step: self.run(step))
        monkeypatch.setattr(trials, "best_dice", self.dice)
        monkeypatch.setattr(study, "adapter_file", lambda folder: folder / "adapter")

    def run(self, step: Step) -> bool:
        self.names.append(step.name)
        if self.broken and self.broken in step.name:
            raise BrokenRunError(f"{step.name}: it broke")
        return True

    def dice(self, folder: Path) -> float:
        return 0.9 if folder.name.startswith("lr_0.003") else 0.5


def test_test_part_comes_after_all_trainings(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = FakeRuns(monkeypatch)
    lines: list[str] = []
    comparison = Comparison(load_plan(write_plan(seeds=[4, 5])), lines.append)
    compared = comparison.run()
    kinds = ["evaluation" in name for name in runs.names]
    assert kinds == sorted(kinds)
    assert kinds.count(False) == 2 * (2 + 1)  # two methods: two trials, and the other seed
    assert kinds.count(True) == 1 + 2 * 2  # zero shot, and two methods with two seeds
    assert len(runs.names) == comparison.total == 11
    assert lines[-1].startswith("[11/11] ADOME, LoRA + orchestration, seed 5, evaluation")
    for method in comparison.plan.methods:
        chosen = compared.chosen(compared.studies[0], method)
        assert chosen is not None
        assert chosen.lr == 0.003


def test_trial_of_the_chosen_rates_is_the_first_seeds_training(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeRuns(monkeypatch)
    compared = Comparison(load_plan(write_plan(seeds=[4, 5]))).run()
    folders = {key[1:]: step.folder.name for key, step in compared.trained.items()}
    assert folders["decoder only", 4] == "lr_0.003"
    assert folders["decoder only", 5] == "seed_5"
    evaluation = compared.evaluated["ADOME", "decoder only", 4]
    assert evaluation.ids["checkpoint"].endswith("decoder_only/trials/lr_0.003/adapter")
    seeds = {step.ids["seed"] for step in compared.evaluated.values()}
    assert seeds == {4}  # the same boxes for all


def test_method_with_a_broken_trial_is_named_and_the_others_go_on(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = FakeRuns(monkeypatch)
    runs.broken = "decoder only, lr 0.001"
    compared = Comparison(load_plan(write_plan()), without_broken=True).run()
    assert [line.split(":")[0] for line in compared.broken] == [
        "ADOME, decoder only, lr 0.001, seed 0"
    ]
    assert {key[1] for key in compared.evaluated} == {None, "LoRA + orchestration"}


def test_test_part_of_no_dataset_is_read_while_a_training_of_one_is_broken(
    write_plan: WritePlan, phantoms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second dataset's last seed is broken: the first one's test part stays shut as well."""
    runs = FakeRuns(monkeypatch)
    runs.broken = "B, LoRA + orchestration, lr 0.003 orchestration_lr 0.03, seed 5"
    opened: list[object] = []
    monkeypatch.setattr(Study, "_test_sha256", property(lambda study: opened.append(study) or ""))
    place = {"bundle": str(ADOME), "dataset_dir": str(phantoms)}
    datasets = [{**place, "name": "A"}, {**place, "name": "B"}]
    plan = load_plan(write_plan(seeds=[4, 5], datasets=datasets))
    lines: list[str] = []
    compared = Comparison(plan, lines.append).run()
    assert compared.withheld
    assert not compared.evaluated
    assert opened == []
    assert not [name for name in runs.names if "evaluation" in name]
    assert lines[-1] == "runs are broken: the test part is not read"
    compared.trained.clear()  # the fake leaves no adapters
    text = write_report(plan, compared)[2].read_text()
    assert "the test part was not read" in text

    compared = Comparison(plan, without_broken=True).run()
    assert not compared.withheld
    assert {key[0] for key in compared.evaluated} == {"A", "B"}
    assert ("B", "LoRA + orchestration", 5) not in compared.evaluated
    assert opened
    compared.evaluated.clear()
    compared.trained.clear()
    assert "--without-broken): the test part was read before" in (
        write_report(plan, compared)[2].read_text()
    )


def test_finished_run_of_something_else_is_refused_before_any_run(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = FakeRuns(monkeypatch)
    plan = load_plan(write_plan())
    only = Comparison(plan).compared.studies[0]
    step = only.training(plan.methods[0], only.rates["decoder only"][0], 0)
    record = step.beside("json")
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"made_of": step.made_of()}))
    assert step.finished()
    record.write_text(json.dumps({"made_of": {**step.made_of(), "epochs": 9}}))
    with pytest.raises(CobotError, match=r"epochs 9 there, 1 here.*give another out, or remove"):
        Comparison(plan)
    assert runs.names == []


def test_places_of_files_do_not_count_but_their_content_does(
    write_plan: WritePlan, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"one")
    ids = {"sam_checkpoint": str(weights), "dataset_dir": "here", "num_workers": 0, "lr": 0.1}

    def made(**changes: object) -> object:
        return Step("name", (), {**ids, **changes}, {}, tmp_path / "run").made_of()

    def of(data: dict[str, str], config: str = "a: 1") -> object:
        (tmp_path / "train.yaml").write_text(config)
        return Step("name", (tmp_path / "train.yaml",), ids, data, tmp_path / "run").made_of()

    assert of({"seen_sha256": "1"}) == of({"seen_sha256": "1"})
    assert of({"seen_sha256": "1"}) != of({"seen_sha256": "2"})
    assert of({}, "a: 1") != of({}, "a: 2")
    before = made()
    assert made(dataset_dir="there", num_workers=2) == before
    assert made(lr=0.2) != before
    moved = tmp_path / "moved.pth"
    moved.write_bytes(b"one")
    assert made(sam_checkpoint=str(moved)) == before
    weights.write_bytes(b"two")
    assert made() != before


def test_changed_boxes_are_evaluated_last_with_the_first_seed(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = FakeRuns(monkeypatch)
    comparison = Comparison(load_plan(write_plan(seeds=[4, 5])), prompts=True)
    compared = comparison.run()
    assert len(runs.names) == comparison.total == 11 + 12 * 3
    assert all("boxes" in name and "seed 4" in name for name in runs.names[11:])
    step = compared.prompted["ADOME", "decoder only", "shift", 25.0]
    assert step.ids["eval_box_jitter"] == {"mode": "shift", "size": 25.0}
    assert step.folder.parts[-4:] == ("decoder_only", "prompts", "shift_25", "seed_4")
    assert compared.evaluated["ADOME", "decoder only", 4].ids.get("eval_box_jitter") is None
