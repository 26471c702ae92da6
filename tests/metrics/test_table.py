"""metrics.csv there and back."""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import numpy as np
import pytest

from monai_cobot.errors import CobotError
from monai_cobot.metrics import (
    PooledScore,
    Run,
    organ_scores,
    pooled_rows,
    read_csv,
    volume_rows,
    write_csv,
)

NAMED_COLUMNS = [
    "case", "organ", "instance", "protocol", "prompts", "dice", "iou", "surface_dice", "hd95_mm",
    "hd95_px", "true_voxels", "predicted_voxels", "method", "orchestrate", "seed", "split_hash",
]  # fmt: skip


@pytest.fixture
def run() -> Run:
    return Run(
        "lora", True, 7, "f00d", "patient", 1024, "vit_b", "sam_vit_b_01ec64.pth", "outward 50"
    )


def test_round_trip(tmp_path, make_row):
    rows = [
        make_row(dice=1 / 3, hd95_mm=math.inf, case='with, "comma"', orchestrate=False),
        make_row(dice=math.nan, surface_dice=math.nan, weights=""),
    ]
    write_csv(rows, tmp_path / "new" / "metrics.csv")
    back = read_csv(tmp_path / "new" / "metrics.csv")
    assert repr(back) == repr(rows)  # NaN is not equal to itself, its text is
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["metrics.csv"]


def test_what_the_file_says(tmp_path, make_row):
    write_csv([make_row(dice=math.nan, hd95_mm=math.inf)], tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert set(NAMED_COLUMNS) <= set(line)
    assert (line["dice"], line["hd95_mm"], line["orchestrate"]) == ("", "inf", "true")


def test_rows_of_a_volume(organs, run):
    truth = np.zeros((8, 8, 8), np.uint8)
    truth[2:5] = 1
    rows = volume_rows(organ_scores(truth, truth, organs, (1, 1, 1)), run, case="c", patient="p")
    assert [row.organ for row in rows] == ["liver", "kidney_right", "aorta"]
    assert [row.instance for row in rows] == [""] * 3
    assert (rows[0].case, rows[0].patient, rows[0].protocol) == ("c", "p", "clinical")
    assert (rows[0].prompts, rows[0].dice, rows[0].split_hash) == ("box", 1.0, "f00d")
    assert rows[0].series == "LoRA + orchestration"


def test_rows_of_the_paper(run):
    (row,) = pooled_rows([PooledScore("liver", 0.5, 200, 100, 3, 2)], run.trivial("filled_box"))
    assert (row.case, row.protocol, row.dice) == ("pooled", "paper", 0.5)
    assert (row.true_voxels, row.predicted_voxels) == (200, 100)
    assert row.iou == pytest.approx(75 / 225)  # 75 in common make the Dice 150 / 300
    assert row.instance == ""
    assert math.isnan(row.hd95_mm)
    assert (row.method, row.orchestrate, row.sam, row.series) == (
        "filled_box", False, "", "filled box",
    )  # fmt: skip
    assert row.trivial


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hd95_px", "px", r"lacks the columns \['hd95_px'\]"),
        ("0.8", "good", "line 2: dice is 'good', not of type float"),
        (",true,", ",yes,", "line 2: orchestrate is 'yes'"),
    ],
)
def test_broken_file(tmp_path, make_row, old, new, message):
    path = tmp_path / "m.csv"
    write_csv([make_row()], path)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(CobotError, match=message):
        read_csv(path)


def test_missing_file(tmp_path):
    with pytest.raises(CobotError, match=r"m\.csv cannot be read .*run the evaluation"):
        read_csv(tmp_path / "m.csv")


def test_a_failed_write_leaves_the_old_file(tmp_path, make_row):
    path = tmp_path / "m.csv"
    write_csv([make_row()], path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_csv([replace(make_row(), case="b"), None], path)  # type: ignore[list-item]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
