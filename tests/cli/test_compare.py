"""`monai-cobot compare`: what it says; whole comparisons are in tests/comparison."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monai_cobot.cli import app
from monai_cobot.comparison import steps
from monai_cobot.comparison.results import BrokenRunError
from monai_cobot.comparison.steps import Step
from monai_cobot.errors import CobotError
from tests.comparison.conftest import WritePlan, phantoms, write_plan

__all__ = ["phantoms", "write_plan"]
RUNNER = CliRunner()


def test_missing_plan_is_named(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["compare", str(tmp_path / "nowhere.yaml")])
    assert isinstance(result.exception, CobotError)
    assert "nowhere.yaml cannot be read" in str(result.exception)


def test_broken_runs_end_with_an_error_after_the_report(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(step: Step) -> bool:
        raise BrokenRunError(f"{step.name}: it broke")

    monkeypatch.setattr(steps.Step, "run", break_down)
    file = write_plan()
    result = RUNNER.invoke(app, ["compare", str(file)])
    assert isinstance(result.exception, CobotError)
    said = str(result.exception)
    assert "4 runs are broken: ADOME, decoder only, lr 0.001, seed 0: it broke; " in said
    assert said.endswith("; the test part was not read: --without-broken reads it")
    assert "it broke" in (file.parent / "comparison" / "comparison.md").read_text()
    said = str(RUNNER.invoke(app, ["compare", str(file), "--without-broken"]).exception)
    assert "5 runs are broken: " in said
    assert "ADOME, zero shot, seed 0, evaluation: it broke" in said
    assert "the test part was not read" not in said


def test_ctrl_c_says_that_the_same_command_goes_on(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(step: Step) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(steps.Step, "run", interrupt)
    result = RUNNER.invoke(app, ["compare", str(write_plan())])
    assert result.exit_code == 130
    assert "stopped: the same command goes on" in result.output


def test_jobs_and_ray_exclude_each_other(write_plan: WritePlan) -> None:
    result = RUNNER.invoke(app, ["compare", str(write_plan()), "--jobs", "2", "--ray", "local"])
    assert isinstance(result.exception, CobotError)
    assert "--jobs and --ray exclude each other" in str(result.exception)


def test_ray_that_is_not_installed_is_named_with_the_remedy(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = RUNNER.invoke(app, ["compare", str(write_plan()), "--ray", "local"])
    assert isinstance(result.exception, CobotError)
    assert "pip install 'monai-cobot[ray]'" in str(result.exception)
