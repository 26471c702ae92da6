"""``monai-cobot pretrain`` on a recipe of a few steps."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from monai_cobot.cli import app, pretrain
from monai_cobot.errors import CobotError
from monai_cobot.pretraining import Pretraining
from monai_cobot.sam import SIZES, load_base
from tests.pretraining.conftest import RECIPE, STAGE
from tests.tiny_sam import TINY

RUNNER = CliRunner()


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setitem(SIZES, "tiny", TINY)
    monkeypatch.setattr(pretrain, "FINAL_DRAWINGS", 2)
    config = tmp_path / "mine.yaml"
    config.write_text(
        yaml.safe_dump({**RECIPE, "stages": [{**STAGE, "steps": 4}]}), encoding="utf-8"
    )
    return ["pretrain", "--out", str(tmp_path / "run"), "--config", str(config)]


def test_stopped_continued_and_repeated(arguments: list[str], tmp_path: Path) -> None:
    weights = tmp_path / "run" / "sam_tiny.safetensors"
    stopped = RUNNER.invoke(app, [*arguments, "--steps", "2"])
    assert stopped.exit_code == 0, stopped.output
    assert (tmp_path / "run" / "state.pt").is_file()
    assert not weights.exists()
    finished = RUNNER.invoke(app, arguments)
    assert finished.exit_code == 0, finished.output
    assert "held-out drawings" in finished.output
    assert weights.name in finished.output
    assert load_base("tiny", weights)[1].weights == weights.name
    table, content = (tmp_path / "run" / "held_out.csv").read_text(), weights.read_bytes()
    again = RUNNER.invoke(app, arguments)
    assert again.exit_code == 0, again.output
    assert (tmp_path / "run" / "held_out.csv").read_text() == table
    assert weights.read_bytes() == content
    with (tmp_path / "run" / "history.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["0", "1", "2", "3"]


def test_ctrl_c_says_how_to_go_on(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(run: Pretraining, until: int | None, progress: bool) -> None:
        run.step = 3
        raise KeyboardInterrupt

    monkeypatch.setattr(Pretraining, "run", interrupted)
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 130
    assert "stopped at step 3: the same command goes on" in result.output


def test_errors_name_the_file(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"none\.yaml cannot be read as YAML"):
        RUNNER.invoke(
            app, [*arguments[:3], "--config", str(tmp_path / "none.yaml")], catch_exceptions=False
        )
    assert not (tmp_path / "run").exists()
    result = RUNNER.invoke(app, [*arguments, "--steps", "0"])
    assert result.exit_code == 2
