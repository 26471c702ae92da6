"""Folders that are not whole are named, and all else goes on. A fake stands for the processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monai_cobot.comparison.comparing import PROMPTS, Comparison
from monai_cobot.comparison.plan_file import load_plan
from monai_cobot.comparison.report import write_report
from tests.comparison.conftest import WritePlan
from tests.comparison.left_by_runs import FakeBundle

TRIAL = "decoder_only/trials/lr_0.001"


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> FakeBundle:
    return FakeBundle(monkeypatch)


def damage(file: Path) -> None:
    file.write_bytes(b"damaged")


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        (f"{TRIAL}/checkpoints/adapter_best.safetensors", Path.unlink),
        (f"{TRIAL}/checkpoints/adapter_best.safetensors", damage),
        (f"{TRIAL}/cost.json", damage),
        (f"{TRIAL}.json", damage),
    ],
)
def test_damaged_training_is_named_with_the_remedy_and_the_others_are_kept(
    write_plan: WritePlan, bundle: FakeBundle, file: str, spoil: Callable[[Path], None]
) -> None:
    plan = load_plan(write_plan())
    first = Comparison(plan).run()
    assert first.broken == []
    assert len(bundle.started) == 4 + 3
    spoil(plan.out / "ADOME" / file)
    bundle.started.clear()
    compared = Comparison(plan, without_broken=True).run()
    (said,) = compared.broken
    assert said.startswith("ADOME, decoder only, lr 0.001, seed 0: ")
    assert "remove " in said
    assert "lr_0.001.json, and it is run again" in said
    assert bundle.started == []
    assert {key[1] for key in compared.evaluated} == {None, "LoRA + orchestration"}


def test_damaged_validation_scores_are_named(write_plan: WritePlan, bundle: FakeBundle) -> None:
    plan = load_plan(write_plan())
    Comparison(plan).run()
    for file in (plan.out / "ADOME" / TRIAL / "tensorboard").iterdir():
        file.unlink()
    (said,) = Comparison(plan).run().broken
    assert "has no validation Dice: remove" in said


def test_run_that_leaves_nothing_is_not_finished(write_plan: WritePlan, bundle: FakeBundle) -> None:
    bundle.leaves_nothing = TRIAL
    plan = load_plan(write_plan())
    compared = Comparison(plan).run()
    assert len(compared.broken) == 1
    assert compared.withheld
    assert not (plan.out / "ADOME" / f"{TRIAL}.json").exists()
    bundle.leaves_nothing = ""
    bundle.started.clear()
    assert Comparison(plan).run().broken == []
    assert len(bundle.started) == 1 + 3  # the trial, and the test part for the first time


def test_damaged_evaluation_is_named_and_its_row_says_so(
    write_plan: WritePlan, bundle: FakeBundle
) -> None:
    plan = load_plan(write_plan(seeds=[0, 1]))
    Comparison(plan).run()
    damage(plan.out / "ADOME/decoder_only/seed_1/metrics.csv")
    compared = Comparison(plan).run()
    (said,) = compared.broken
    assert said.startswith("ADOME, decoder only, seed 1, evaluation: ")
    assert not compared.withheld  # all trainings are whole
    text = write_report(plan, compared)[2].read_text()
    assert "| decoder only | 50.0 (1 of 2 seeds) |" in text
    assert "| LoRA + orchestration | 50.0 ± 0.0 |" in text
    assert "| ADOME | decoder only - zero shot | 1 | 1 | +0.0 |" in text
    assert "no figure of cases, some cannot be read" in text  # the fake leaves none


def test_lost_adapter_of_another_seed_is_named(write_plan: WritePlan, bundle: FakeBundle) -> None:
    plan = load_plan(write_plan(seeds=[0, 1]))
    Comparison(plan).run()
    (plan.out / "ADOME/decoder_only/seed_1/checkpoints/adapter_best.safetensors").unlink()
    compared = Comparison(plan).run()
    assert len(compared.broken) == 1
    assert ("ADOME", "decoder only", 1) not in compared.evaluated
    assert ("ADOME", "decoder only", 0) in compared.evaluated  # it was there before


def test_file_of_the_test_part_that_cannot_be_read_is_named(
    write_plan: WritePlan, bundle: FakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(cases: object) -> str:
        raise FileNotFoundError("scan.nii.gz is gone")

    comparison = Comparison(load_plan(write_plan()))
    monkeypatch.setattr("monai_cobot.comparison.study.hash_cases", lost)
    compared = comparison.run()
    assert len(compared.broken) == 3
    assert compared.broken[0] == "ADOME, zero shot, seed 0, evaluation: scan.nii.gz is gone"


def test_finished_prompts_stay_in_the_report_without_the_option(
    write_plan: WritePlan, bundle: FakeBundle
) -> None:
    plan = load_plan(write_plan())
    asked = Comparison(plan, prompts=True).run()
    assert len(asked.prompted) == 3 * len(PROMPTS)
    bundle.started.clear()
    lines: list[str] = []
    compared = Comparison(plan, lines.append).run()
    assert compared.prompted.keys() == asked.prompted.keys()
    assert bundle.started == []
    assert [line for line in lines if "/" in line][-1].startswith("[7/7] ")
    (plan.out / "ADOME/zero_shot/prompts/shift_50/seed_0.evaluation.json").unlink()
    assert len(Comparison(plan).run().prompted) == 3 * len(PROMPTS) - 1
    assert bundle.started == []
