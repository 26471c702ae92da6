"""`monai-cobot scores`: tables of several evaluations, on the terminal and as files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from monai_cobot.cli import app
from monai_cobot.errors import CobotError
from monai_cobot.metrics import Row, write_csv

RUNNER = CliRunner()


def row(method: str, seed: int, organ: str, dice: float) -> Row:
    """A volume's score; the trivial answers have neither SAM nor weights."""
    model = method not in ("ellipse", "filled_box")
    return Row(
        case="a", patient="a", organ=organ, instance="", protocol="clinical", prompts="box",
        dice=dice, iou=dice / (2 - dice), surface_dice=0.5, surface_tolerance_mm=2.0, hd95_mm=3.0,
        hd95_px=1.0, true_voxels=10, predicted_voxels=10, method=method, orchestrate=False,
        seed=seed, split_hash="f00d", split_by="patient", image_size=256,
        sam="small" if model else "", weights="w" if model else "",
        box_jitter="symmetric 50 px at 1024",
    )  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """LoRA with two seeds: 0.7 and 0.9 on the liver, 0.5 and 0.5 on the aorta."""
    names = []
    for seed, liver in enumerate((0.7, 0.9)):
        file = tmp_path / f"lora_{seed}" / "metrics.csv"
        write_csv(
            [
                row("lora", seed, "liver", liver),
                row("lora", seed, "aorta", 0.5),
                row("ellipse", seed, "liver", 0.6),
                row("ellipse", seed, "aorta", 0.75),
            ],
            file,
        )
        names.append(str(file))
    return names


def test_by_organ_prints_and_writes(files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "new" / "table"
    result = RUNNER.invoke(app, ["scores", *files, "--by-organ", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "symmetric 50 px at 1024, alike for all answers" in " ".join(result.output.split())
    assert [line for line in result.output.splitlines() if "0.800 ± 0.141" in line]
    lines = (out / "scores.md").read_text().splitlines()
    assert lines[2:] == [
        "| organ | n | ellipse | LoRA |",
        "| --- | ---: | ---: | ---: |",
        "| liver | 1 | 0.600 | 0.800 ± 0.141 |",
        "| aorta | 1 | 0.750 | 0.500 ± 0.000 |",
        "| mean over organs | 1 | 0.675 | 0.650 ± 0.071 |",
        "| seeds of the training |  | – | 2 |",
    ]
    with (out / "scores.csv").open(newline="") as file:
        assert [(c["organ"], c["answer"]) for c in csv.DictReader(file)] == [
            (organ, answer)
            for organ in ("liver", "aorta", "mean_over_organs")
            for answer in ("ellipse", "LoRA")
        ]
    assert imread(out / "scores.png").std() > 0
    assert sorted(path.name for path in out.iterdir()) == ["scores.csv", "scores.md", "scores.png"]


def test_without_by_organ_seeds_are_pooled(files: list[str]) -> None:
    result = RUNNER.invoke(app, ["scores", *files])
    assert result.exit_code == 0, result.output
    assert "Dice per organ and volume" in result.output
    assert "0.800 ± 0.141" in result.output


def test_out_needs_by_organ(files: list[str], tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"--out .* belongs to --by-organ"):
        RUNNER.invoke(app, ["scores", *files, "--out", str(tmp_path)], catch_exceptions=False)
