"""Evaluations side by side, an organ a row, against hand-computed rows."""

from __future__ import annotations

import csv
import io
import math

import pytest
from rich.console import Console

from monai_cobot.errors import CobotError
from monai_cobot.metrics import Row, compare_by_organ, distinct, print_organ_table

# Dice by answer and seed: liver and aorta in case a, liver and aorta in case b.
MODELS = {
    ("zero_shot", False, 0): (0.5, 0.3, 0.7, 0.5),
    ("lightweight", False, 0): (0.6, 0.4, 0.8, 0.6),
    ("lora", True, 0): (0.8, 0.2, 1.0, 0.4),
    ("lora", True, 1): (0.6, 0.4, 0.8, 0.6),
}
TRIVIAL = {"filled_box": (0.6, 0.5, 0.6, math.nan), "ellipse": (0.7, 0.6, 0.8, math.nan)}
PLACES = [("a", "liver"), ("a", "aorta"), ("b", "liver"), ("b", "aorta")]


@pytest.fixture
def rows(make_row) -> list[Row]:
    """As the evaluations write them: the trivial answers stand in each."""
    found = []
    for (method, orchestrate, seed), dice in MODELS.items():
        answers = {(method, "small", "w"): dice, **{(k, "", ""): v for k, v in TRIVIAL.items()}}
        for (name, sam, weights), values in answers.items():
            for (case, organ), value in zip(PLACES, values, strict=True):
                changes = {"method": name, "sam": sam, "weights": weights, "seed": seed}
                orchestrated = {"orchestrate": orchestrate and bool(sam)}
                found.append(
                    make_row(case=case, organ=organ, dice=value, **changes, **orchestrated)
                )
    return found


def test_columns_and_rows(rows):
    table = compare_by_organ(rows)
    assert table.answers == (
        "ellipse", "filled box", "zero shot", "decoder only", "LoRA + orchestration",
    )  # fmt: skip
    assert table.lines() == [
        ["organ", "n", *table.answers],
        # ellipse (0.7 + 0.8) / 2; orchestrated 0.9 and 0.7, deviation 0.1 * sqrt(2)
        ["liver", "2", "0.750", "0.600", "0.600", "0.700", "0.800 ± 0.141"],
        # the trivial ones have no Dice in b; orchestrated 0.3 and 0.5
        ["aorta", "1", "0.600", "0.500", "0.400", "0.500", "0.400 ± 0.141"],
        # orchestrated: both seeds (0.9 + 0.3) / 2 and (0.7 + 0.5) / 2
        ["mean over organs", "2", "0.675", "0.550", "0.500", "0.600", "0.600 ± 0.000"],
        ["seeds of the training", "", "–", "–", "–", "1", "2"],
    ]
    assert table.caption == (
        "Dice per organ, mean over 2 test cases (± deviation over seeds); "
        "box prompts from the truth, exact, alike for all answers; SAM small (w) at 256 px"
    )


def test_numbers_of_a_cell(rows):
    (cell,) = [
        score
        for score in compare_by_organ(rows).scores
        if (score.organ, score.answer) == ("liver", "LoRA + orchestration")
    ]
    assert (cell.n, cell.seeds) == (2, 2)
    assert cell.dice == pytest.approx(0.8)
    assert cell.deviation == pytest.approx(math.sqrt(0.02))


def test_an_organ_that_no_case_has(make_row):
    table = compare_by_organ([make_row(dice=math.nan), make_row(organ="aorta", dice=0.5)])
    assert table.lines()[1:] == [
        ["liver", "0", "–"],
        ["aorta", "1", "0.500"],
        ["mean over organs", "1", "0.500"],
        ["seeds of the training", "", "1"],
    ]


def test_instances_of_pictures_count_each(make_row):
    ship = {"organ": "ship", "case": "a"}
    rows = [make_row(instance=str(n), dice=dice, **ship) for n, dice in enumerate((1.0, 0.0, 0.5))]
    table = compare_by_organ(rows)
    assert table.lines()[1] == ["ship", "3", "0.500"]


def test_other_protocols_are_left_out(rows, make_row):
    pooled = make_row(case="pooled", protocol="paper", dice=0.1)
    assert compare_by_organ([*rows, pooled]) == compare_by_organ(rows)
    with pytest.raises(CobotError, match=r"no clinical rows .* run an evaluation"):
        compare_by_organ([pooled])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"box_jitter": "outward 50"}, r"differ in box_jitter \(exact, outward 50\)"),
        ({"split_hash": "other"}, r"differ in split_hash \(abc, other\): .* leave out --by-organ"),
        ({"weights": "v"}, r"differ in weights \(w, v\)"),
        ({"dice": 0.81}, r"LoRA \+ orchestration \(seed 1\) has two Dice of aorta in b, 0.6000 and"
         " 0.8100: give one evaluation a method and seed"),
        ({"case": "c", "dice": 0.81}, r"ellipse \(seed 0\) lacks scores .* as of aorta in c"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared(rows, make_row, changes, message):
    """One more row, like the last one of LoRA's but for the changes."""
    last = {"case": "b", "organ": "aorta", "dice": 0.6, "seed": 1, "weights": "w"}
    with pytest.raises(CobotError, match=message):
        compare_by_organ([*rows, make_row(**(last | changes))])


def test_trivial_answers_to_other_boxes(rows, make_row):
    """A second evaluation seed draws other boxes, as the ellipse shows."""
    ellipse = {"method": "ellipse", "orchestrate": False, "sam": "", "weights": "", "seed": 5}
    with pytest.raises(CobotError, match=r"ellipse .* two Dice .* with the same --seed"):
        compare_by_organ([*rows, make_row(dice=0.71, **ellipse)])
    assert compare_by_organ([*rows, make_row(dice=0.7, **ellipse)]) == compare_by_organ(rows)


def test_files(rows, tmp_path):
    table = compare_by_organ(rows)
    table.write_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 3 * 5
    assert lines[4] == {
        "organ": "liver", "answer": "LoRA + orchestration", "n": "2", "seeds": "2",
        "dice": lines[4]["dice"], "deviation": lines[4]["deviation"],
    }  # fmt: skip
    assert float(lines[4]["dice"]) == pytest.approx(0.8)
    assert lines[0]["deviation"] == ""
    text = table.markdown().splitlines()
    assert text[0] == f"{table.caption}."
    assert text[2].startswith("| organ | n | ellipse | filled box |")
    assert text[3] == "| --- |" + " ---: |" * 6
    assert text[4] == "| liver | 2 | 0.750 | 0.600 | 0.600 | 0.700 | 0.800 ± 0.141 |"
    assert len(text) == 8


def test_printed(rows):
    stream = io.StringIO()
    print_organ_table(compare_by_organ(rows), Console(file=stream, width=120))
    text = stream.getvalue()
    assert text.startswith("Dice per organ, mean over 2 test cases")
    assert "│ liver                 │ 2 │   0.750 │      0.600 │" in text
    assert "mean over organs" in text


def test_distinct_keeps_a_trivial_answer_once(rows):
    kept = distinct(rows)
    assert len(kept) == 4 * (len(MODELS) + len(TRIVIAL))
    assert {row.seed for row in kept if row.trivial} == {0}
