"""The table on the terminal."""

from __future__ import annotations

import io
import json
import math

from rich.console import Console

from monai_cobot.metrics import paper_rows, print_scores, summarise, write_json


def printed(summary, **options) -> str:
    stream = io.StringIO()
    print_scores(summary, Console(file=stream, width=80), **options)
    return stream.getvalue()


def line_of(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.lstrip("│ ").startswith(start)]
    return [cell.strip() for cell in line.strip("│").split("│")]


def rows(make_row):
    box = {"method": "filled_box", "orchestrate": False}
    absent = {"organ": "aorta", "dice": math.nan, "true_voxels": 0, "predicted_voxels": 0}
    return [
        make_row(case="a", organ="kidney_right", dice=0.8),
        make_row(case="b", organ="kidney_right", dice=0.0, predicted_voxels=0),
        make_row(**absent),
        make_row(case="a", organ="kidney_right", dice=0.5, **box),
        make_row(case="pooled", organ="kidney_right", protocol="paper", dice=0.75),
    ]


def test_clinical_table(make_row):
    text = printed(summarise(rows(make_row)))
    kidney = line_of(text, "kidney right")
    assert kidney == ["kidney right", "2", "0.400 ± 0.566 (−1)", "0.500"]
    assert line_of(text, "aorta") == ["aorta", "0", "–", "–"]
    assert line_of(text, "mean over organs")[2:] == ["0.400 ± 0.566", "0.500"]
    # IoU of Dice 0.8 is 2/3, of 0 it is 0, of 0.5 it is 1/3
    assert line_of(text, "IoU, mean over organs")[2:] == ["0.333 ± 0.471", "0.333"]
    assert "mean over instances" not in text
    assert "1 cases" not in text
    assert "the prediction is empty" in text


def test_paper_table(make_row):
    text = printed(summarise(rows(make_row)), protocol="paper")
    assert line_of(text, "kidney right") == ["kidney right", "0.750"]
    assert "0.500" not in text


def test_table_of_pictures(make_row):
    ship = {"organ": "ship", "hd95_mm": math.nan}
    text = printed(
        summarise(
            [
                make_row(case="a", instance="1", dice=1.0, **ship),
                make_row(case="a", instance="2", dice=0.0, predicted_voxels=0, **ship),
                make_row(case="b", instance="1", dice=0.5, **ship),
                make_row(case="b", instance="2", dice=0.7, organ="tire"),
            ]
        )
    )
    assert "Dice and IoU per class: mean ± deviation over instances" in text
    assert "┃ class " in text
    # IoU of Dice 1, 0, 0.5 and 0.7: 1, 0, 1/3 and 7/13
    assert line_of(text, "ship") == ["ship", "3", "0.500 ± 0.500 (−1)", "0.444"]
    assert line_of(text, "mean over classes")[2].startswith("0.600")
    assert line_of(text, "mean over classes")[3] == "0.491"
    assert line_of(text, "mean over instances")[2].startswith("0.550")
    assert line_of(text, "mean over instances")[3] == "0.468"
    assert "of k instances the prediction is empty" in text


def test_table_of_eighty_classes(make_row):
    """COCO's classes, a row each."""
    names = [f"class{number:02d}" for number in range(80)]
    text = printed(summarise([make_row(instance="1", organ=name) for name in names]))
    assert [line_of(text, name)[0] for name in names] == names


def test_paper_table_of_pictures(make_row):
    ship = make_row(case="a", instance="1", organ="ship", dice=0.5)
    text = printed(summarise([ship, *paper_rows([ship])]), protocol="paper")
    assert "Dice per class, exact boxes, over instances" in " ".join(text.split())
    assert line_of(text, "ship") == ["ship", "0.500", "0.333"]


def test_prints_what_was_read_from_the_file(tmp_path, make_row):
    summary = summarise(rows(make_row))
    write_json(summary, tmp_path / "m.json")
    assert printed(json.loads((tmp_path / "m.json").read_text())) == printed(summary)
