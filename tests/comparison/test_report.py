"""Tables, figures and page of answers made by hand."""

from __future__ import annotations

import base64
import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from monai_cobot.comparison import tables
from monai_cobot.comparison.comparing import Comparison
from monai_cobot.comparison.differences import Difference, pairs
from monai_cobot.comparison.figures import draw_parameters, site_names
from monai_cobot.comparison.plan_file import load_plan
from monai_cobot.comparison.published import Published, read_published
from monai_cobot.comparison.report import page_text, write_report
from monai_cobot.sam import build_adapted_sam
from monai_cobot.sam.adapted import RELATION
from tests.comparison.conftest import COST, WritePlan, make_answer, make_row

ANSWERS = [
    make_answer("filled box", {0: {"A": 0.5, "B": 0.6}}),
    make_answer("LoRA", {0: {"A": 0.7, "B": 0.8}, 1: {"A": 0.8, "B": 0.9}}, COST),
]


def test_table_has_the_form_of_the_papers() -> None:
    """Seeds' means 0.75 and 0.85: mean 80.0, deviation 7.1 points."""
    published = [Published("LoRA (published)", "DATA", "DSC", "84.8", "0.6")]
    assert tables.table_lines(ANSWERS, published) == [
        ["method", "DATA Dice, %", "parameters", "seconds a step", "peak memory", "checkpoint"],
        ["filled box", "55.0", "–", "–", "–", "–"],
        ["LoRA", "80.0 ± 7.1", "147,456", "0.25", "1,024 MiB (process)", "3.00 MiB"],
        ["LoRA (published)", "84.8 ± 0.6 DSC", "–", "–", "–", "–"],
    ]


def test_difference_is_shown_in_points() -> None:
    lines = tables.difference_lines([Difference.of(ANSWERS[1], ANSWERS[0])])
    assert lines[1] == ["DATA", "LoRA - filled box", "2", "2", "+25.0", "+25.0 to +25.0", "–"]


@pytest.mark.parametrize(
    ("mean", "shown"),
    [
        (0.00021, ["+0.021", "-0.100 to +0.200"]),
        (-0.0132, ["-1.3", "-0.1 to +0.2"]),
        (0.0, ["+0.0", "-0.1 to +0.2"]),
        (1e-9, ["+0.0000", "-0.1000 to +0.2000"]),
    ],
)
def test_difference_has_two_significant_digits(mean: float, shown: list[str]) -> None:
    pair = Difference("DATA", "a", "b", "dice", 9, 1, mean, -0.001, 0.002, 0.0144)
    assert tables.difference_lines([pair])[1][4:] == [*shown, "0.014"]


def test_difference_without_a_pair_is_empty() -> None:
    nan = float("nan")
    pair = Difference("DATA", "a", "b", "dice", 0, 0, nan, nan, nan, nan)
    assert tables.difference_lines([pair])[1][2:] == ["0", "0", "–", "–", "–"]


def test_row_that_lacks_a_seed_says_so() -> None:
    partly = make_answer("LoRA", {1: {"A": 0.7, "B": 0.9}}, COST, planned=2)
    assert tables.table_lines([partly], [])[1][1] == "80.0 (1 of 2 seeds)"
    assert "(1 of" not in tables.table_lines(ANSWERS, [])[2][1]


def test_captions_are_by_row(write_plan: WritePlan) -> None:
    compared = Comparison(load_plan(write_plan(seeds=[0, 1]))).compared
    whole = make_answer("LoRA", {0: {"A": 0.7}, 1: {"A": 0.8}}, COST)
    partly = make_answer("SSF", {1: {"A": 0.7}}, COST, planned=2)
    false = dataclasses.replace(make_row("B", "liver", 0.0), true_voxels=0)
    partly = dataclasses.replace(partly, rows={1: [*partly.rows[1], false]})
    answers = [dataclasses.replace(answer, dataset="ADOME") for answer in (whole, partly)]
    shared, lacking, found = tables.captions(compared, answers)
    assert shared.startswith("ADOME: 1 test patients; SAM small, weights random, 64 px; boxes exact"
                             "; seeds 0, 1; split ")  # fmt: skip
    assert lacking == "ADOME, SSF: 1 of 2 seeds alone (1); the others are broken."
    assert found.startswith("ADOME, SSF: 1 findings where the truth has none")
    other = [dataclasses.replace(row, image_size=128) for row in whole.rows[0]]
    answers[1] = dataclasses.replace(answers[1], rows={1: other})
    first, second = tables.captions(compared, answers)[:2]
    assert first.startswith("ADOME (LoRA): 1 test patients; SAM small, weights random, 64 px")
    assert second.startswith("ADOME (SSF): 1 test patients; SAM small, weights random, 128 px")


def test_columns_of_text_are_read_from_the_left() -> None:
    sections = {"T": [["dataset", "method", "rates", "validation Dice"], ["D", "M", "R", "1"]]}
    assert "| --- | --- | --- | ---: |" in tables.markdown(sections, [])
    cells = re.findall(r"<t[hd]((?: [^>]*)?)>", page_text(sections, [], [], []))
    assert ["text" in cell for cell in cells] == 2 * [True, True, True, False]


def test_markdown_is_a_table_a_section() -> None:
    text = tables.markdown({"Scores": [["method", "b"], ["1", "2"]]}, ["note"])
    assert "## Scores\n\n| method | b |\n| --- | ---: |\n| 1 | 2 |\n" in text
    assert text.endswith("\nnote\n")


def test_csv_has_a_line_an_answer_and_no_nan(tmp_path: Path) -> None:
    tables.write_csv(ANSWERS, tmp_path / "c.csv")
    with (tmp_path / "c.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["answer"], first["seeds"], first["dice_deviation"]) == ("filled box", "0", "")
    assert float(second["dice"]) == pytest.approx(0.8)
    assert second["adapter_parameters"] == "147456"


def test_page_holds_its_pictures_and_asks_for_nothing(tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    draw_parameters(ANSWERS, picture)
    assert Image.open(picture).size[0] > 600
    text = page_text({"A <b>": [["x"], ["<script>"]]}, ["n"], [("P", picture)], ["run broke"])
    (embedded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert base64.b64decode(embedded) == picture.read_bytes()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "http" not in text
    assert "run broke" in text


def test_pairs_are_with_zero_shot_and_with_the_same_method_without(write_plan: WritePlan) -> None:
    methods = ["lightweight", "lora", {"method": "lora", "orchestrate": True}]
    assert pairs(load_plan(write_plan(methods=methods))) == [
        ("decoder only", "zero shot"),
        ("LoRA", "zero shot"),
        ("LoRA + orchestration", "zero shot"),
        ("LoRA + orchestration", "LoRA"),
    ]
    asked = [["LoRA", "decoder only"]]
    assert pairs(load_plan(write_plan(methods=methods, pairs=asked))) == [("LoRA", "decoder only")]


def test_published_numbers_are_those_of_the_plan(write_plan: WritePlan, tmp_path: Path) -> None:
    (tmp_path / "printed.csv").write_text(
        "table,method,orchestrated,dataset,metric,value,std\n"
        "4,lora,no,ADOME,DSC,1.0,0.1\n4,lora,yes,ADOME,DSC,2.0,0.2\n"
        "4,lora,yes,SPLEN,DSC,3.0,0.3\n5,lora,yes,ADOME,DSC,4.0,0.4\n"
    )
    found = read_published(load_plan(write_plan(published="printed.csv")))
    assert [(n.name, n.dataset, str(n)) for n in found] == [
        ("LoRA + orchestration (published)", "ADOME", "2.0 ± 0.2 DSC")
    ]


def test_relation_matrix_is_found_under_the_key_that_adapter_files_have() -> None:
    model = build_adapted_sam("small", "random", 64, "lora", orchestrate=True)
    matrix = model.adapter_state()[RELATION]
    assert len(site_names("lora", len(matrix))) == len(matrix)
    assert site_names("lora", 4) == ["q0", "v0", "q1", "v1"]
    assert site_names("adaptformer", 2) == ["0", "1"]
    assert [name for name in site_names("bitfit", 132) if name][:3] == ["0", "4", "8"]


def test_comparison_of_broken_runs_names_them_in_its_report(write_plan: WritePlan) -> None:
    plan = load_plan(write_plan())
    compared = Comparison(plan).compared
    compared.broken.append("ADOME, LoRA: it broke")
    stale = plan.out / "figures" / "ADOME_prompts.png"
    stale.parent.mkdir()
    stale.write_bytes(b"of an earlier report")
    table, numbers, text, page = write_report(plan, compared)
    assert not stale.exists()
    assert json.loads(numbers.read_text())["answers"] == []
    for file in (text, page):
        assert "ADOME, LoRA: it broke" in file.read_text()
    assert len(table.read_text().splitlines()) == 1
