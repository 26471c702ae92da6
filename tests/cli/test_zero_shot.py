"""`monai-cobot zero-shot`: the table of a small folder, and what is refused before work begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from monai_cobot.cli import app
from monai_cobot.errors import CobotError
from monai_cobot.metrics import read_csv
from tests.data.picture_files import block, save_mask, save_picture

RUNNER = CliRunner()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One picture of BUSI's kind."""
    folder = tmp_path / "data" / "BRAST" / "malignant"
    save_picture(folder / "malignant (1).png")
    save_mask(folder / "malignant (1)_mask.png", block(1, 2, 5, 6))
    return tmp_path / "data"


def test_drawings_and_data_in_one_table(data: Path, tmp_path: Path) -> None:
    arguments = ["zero-shot", str(data), "--subsets", "BRAST", "--drawings", "1"]
    result = RUNNER.invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "weights sam_small.safetensors" in " ".join(result.output.split())
    lines = [line.replace("│", " ").split() for line in result.output.splitlines()]
    (exact,) = [line for line in lines if line[:2] == ["exact", "BRAST"]]
    assert exact[2] == "1"
    assert float(exact[4]) == 1  # the truth is its box
    assert len([line for line in lines if "drawings" in line]) == 3  # a row a jitter
    rows = read_csv(tmp_path / "out" / "BRAST" / "metrics.csv")
    assert len(rows) == 3 * 3
    assert {row.weights for row in rows if not row.trivial} == {"sam_small.safetensors"}


def test_a_missing_folder_is_named_before_anything_is_scored(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    monkeypatch.setattr("monai_cobot.pretraining.score_held_out", lambda *_: scored.append(1))
    with pytest.raises(CobotError, match=r"no folder SONAR.*--subsets"):
        RUNNER.invoke(
            app, ["zero-shot", str(data), "--subsets", "BRAST,SONAR"], catch_exceptions=False
        )
    assert not scored
