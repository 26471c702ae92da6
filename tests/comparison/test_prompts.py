"""Table and figure of changed boxes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from monai_cobot.comparison.prompts import PromptScore, _of_rows, draw_prompts, prompt_lines
from tests.comparison.conftest import make_row


def test_evaluation_of_zero_shot_gives_the_trivial_answers_too() -> None:
    rows = [
        make_row("A", "liver", 0.4),
        make_row("A", "spleen", 0.6),
        make_row("B", "liver", 0.9),
        make_row("A", "liver", 0.3, method="ellipse"),
        make_row("A", "liver", 0.2, method="filled_box"),
    ]
    found = {s.answer: s.score for s in _of_rows("DATA", None, "scale", 0.8, rows)}
    assert found == pytest.approx({"zero shot": 0.7, "ellipse": 0.3, "filled box": 0.2})
    assert [s.answer for s in _of_rows("DATA", "LoRA", "scale", 0.8, rows)] == ["LoRA"]


def test_table_has_a_column_a_condition(tmp_path: Path) -> None:
    scores = [
        PromptScore("DATA", "LoRA", "symmetric", 0.0, 0.8),
        PromptScore("DATA", "LoRA", "scale", 1.25, 0.7),
        PromptScore("DATA", "ellipse", "symmetric", 0.0, 0.75),
    ]
    assert prompt_lines(scores) == [
        ["dataset", "answer", "symmetric 0", "scale 1.25"],
        ["DATA", "LoRA", "80.0", "70.0"],
        ["DATA", "ellipse", "75.0", "–"],
    ]
    draw_prompts(scores, tmp_path / "p.png")
    assert Image.open(tmp_path / "p.png").size[0] > 1000
