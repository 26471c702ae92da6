"""Rows of whole cases, held against networks whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_cobot.data import datasets
from monai_cobot.data.spec import DatasetSpec
from monai_cobot.errors import CobotError
from monai_cobot.evaluation import (
    BoxEvaluation,
    MeanScore,
    mean_scores,
    print_mean_scores,
    zero_shot,
)
from monai_cobot.metrics import Row, Run, filled_box, read_csv
from monai_cobot.sam import BaseModel, build_random
from monai_cobot.transforms import BoxJitter
from tests.nifti_files import write_nifti
from tests.tiny_sam import TINY

SIDE = 64
RUN = Run("zero_shot", False, 0, "", "patient", SIDE, "tiny", "random", "exact")
EXACT = BoxJitter(size=0, image_size=SIDE)


def box_network(image: torch.Tensor, boxes: Sequence[torch.Tensor]) -> torch.Tensor:
    """Answers every box by filling it, as the trivial answer does."""
    filled = np.concatenate([filled_box(found.numpy(), (SIDE, SIDE)) for found in boxes])
    return torch.from_numpy(np.where(filled, 5.0, -5.0).astype(np.float32))[:, None]


@pytest.fixture
def brast(tmp_path: Path) -> Path:
    """Two pictures of 64 x 64: a square lesion of 16 x 16, and an L of 3/4 of its box."""
    folder = tmp_path / "data" / "BRAST" / "malignant"
    folder.mkdir(parents=True)
    for number, corner in ((1, 0), (2, 8)):
        picture = np.full((SIDE, SIDE), 40 * number, np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[8:24, 16:32] = 255
        mask[8 : 8 + corner, 16 : 16 + corner] = 0
        Image.fromarray(picture).save(folder / f"malignant ({number}).png")
        Image.fromarray(mask).save(folder / f"malignant ({number})_mask.png")
    return tmp_path / "data"


def rows_of(spec: DatasetSpec, folder: Path, jitter: BoxJitter) -> list[Row]:
    return BoxEvaluation(box_network, RUN, jitter).rows(spec, spec.find_cases(folder))


def dice_of(rows: Sequence[Row], method: str) -> dict[str, float]:
    return {row.case: row.dice for row in rows if row.method == method}


def test_pictures_get_a_row_an_instance_and_answer(brast: Path) -> None:
    spec = datasets.get("BRAST")
    cases = spec.find_cases(brast / "BRAST")
    rows = rows_of(spec, brast / "BRAST", EXACT)
    assert [row.method for row in rows] == ["zero_shot", "filled_box", "ellipse"] * 2
    expected = {cases[0]["case"]: 1.0, cases[1]["case"]: 2 * 192 / (192 + 256)}
    assert dice_of(rows, "filled_box") == pytest.approx(expected)
    assert dice_of(rows, "zero_shot") == pytest.approx(expected)
    assert {row.organ for row in rows} == {"lesion"}
    assert all(row.instance == "1" for row in rows)


def test_all_answers_get_the_same_jittered_boxes(brast: Path) -> None:
    spec = datasets.get("BRAST")
    jitter = BoxJitter("symmetric", 100, SIDE)
    rows = rows_of(spec, brast / "BRAST", jitter)
    filled, answered = dice_of(rows, "filled_box"), dice_of(rows, "zero_shot")
    # a box between two pixels' edges: the same pixels' centres lie in it, in either frame
    assert answered == pytest.approx(filled)
    assert all(dice < 1 for dice in filled.values())


def test_volumes_get_a_row_an_organ(tmp_path: Path) -> None:
    label = np.zeros((SIDE, SIDE, 3), np.uint8)
    label[8:24, 16:32, 1] = 1
    for folder, array in (("imagesTr", label.astype(np.int16) * 60), ("labelsTr", label)):
        (tmp_path / folder).mkdir()
        write_nifti(tmp_path / folder / "one.nii.gz", array, np.diag([2.0, 2.0, 3.0, 1.0]))
    spec = datasets.get("SPLEN")
    rows = rows_of(spec, tmp_path, EXACT)
    assert [(row.method, row.organ, row.instance) for row in rows] == [
        (method, "spleen", "") for method in ("zero_shot", "filled_box", "ellipse")
    ]
    assert rows[0].dice == rows[1].dice == 1.0


def test_zero_shot_writes_a_table_a_dataset(brast: Path, tmp_path: Path) -> None:
    sam = build_random(TINY)
    base = BaseModel("tiny", TINY.image_size, "random", "0" * 64)
    scores = list(zero_shot(sam, base, brast, ["BRAST"], tmp_path / "out"))
    jitters = ("exact", "proportional 0.1", "symmetric 50 px at 1024")
    answers = ("zero shot", "filled box", "ellipse")
    assert [(s.box_jitter, s.answer) for s in scores] == [(j, a) for j in jitters for a in answers]
    assert all((s.targets, s.patients) == (2, 2) for s in scores)
    rows = read_csv(tmp_path / "out" / "BRAST" / "metrics.csv")
    assert len(rows) == 2 * 3 * 3
    exact = [row.dice for row in rows if row.method == "ellipse" and row.box_jitter == "exact"]
    assert scores[2].dice == pytest.approx(sum(exact) / 2)


def test_an_earlier_table_is_not_overwritten(brast: Path, tmp_path: Path) -> None:
    base = BaseModel("tiny", TINY.image_size, "random", "0" * 64)
    earlier = tmp_path / "out" / "BRAST" / "metrics.csv"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("kept")
    with pytest.raises(CobotError, match=r"metrics.csv is there already: give another"):
        next(zero_shot(build_random(TINY), base, brast, ["BRAST"], tmp_path / "out"))
    assert earlier.read_text() == "kept"


def test_the_table_has_a_jitter_and_dataset_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    scores = [
        MeanScore(dataset, jitter, answer, value, 0.1, 7, 3)
        for dataset, jitter, answer, value in (
            ("drawings", "exact", "zero shot", 0.9128), ("drawings", "exact", "ellipse", 0.7),
            ("BRAST", "exact", "ellipse", 0.86), ("drawings", "outward 50", "ellipse", 0.0),
        )
    ]  # fmt: skip
    print_mean_scores(scores, "small")
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["exact", "drawings", "7", "0.913", "0.700"] in lines
    assert ["exact", "BRAST", "7", "–", "0.860"] in lines
    assert ["outward", "50", "drawings", "7", "–", "0.000"] in lines


def test_a_missing_folder_is_named(brast: Path) -> None:
    base = BaseModel("tiny", TINY.image_size, "random", "0" * 64)
    with pytest.raises(CobotError, match=r"no folder SONAR.*--subsets"):
        next(zero_shot(build_random(TINY), base, brast, ["BRAST", "SONAR"]))


def test_means_leave_out_what_cannot_be_said(brast: Path) -> None:
    rows = rows_of(datasets.get("BRAST"), brast / "BRAST", EXACT)
    empty = Row(**{**rows[0].__dict__, "dice": math.nan})
    (first, *_) = mean_scores("BRAST", [*rows, empty])
    assert (first.answer, first.targets) == ("zero shot", 2)
    values = [1.0, 2 * 192 / 448]
    assert first.dice == pytest.approx(np.mean(values))
    assert first.deviation == pytest.approx(np.std(values, ddof=1))
