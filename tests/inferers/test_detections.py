"""A detector's boxes: which picture and class they are of, clipping, and what is refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.inferers import DetectedBoxes, PictureCollate, holds_detections
from monai_cobot.transforms import CocoIds
from tests.data.picture_files import SIZE, save_picture

LABELS = {"ship": 1, "tire": 2}
IDS = CocoIds({"a": 7, "b": 12}, {"ship": 30, "tire": 40}, "by x.json")


def detection(image_id: Any = 7, category: Any = 30, **more: Any) -> dict[str, Any]:
    box = {"bbox": [1, 2, 3.5, 2], "score": 0.5}
    return {"image_id": image_id, "category_id": category, **box, **more}


def write(folder: Path, *entries: Any) -> Path:
    path = folder / "detections.json"
    path.write_text(json.dumps(entries))
    return path


def item(case: str) -> dict[str, Any]:
    image = torch.zeros(3, *SIZE, dtype=torch.uint8)
    return {"image": image, "case": case, "patient": case, "source": f"{case}.png"}


def test_boxes_classes_and_scores_in_the_files_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        detection(score=0.25),
        detection(12, 40, score=0.75),
        detection(category=40, bbox=[0, 0, 8, 6], score=1),
        detection(score=0.1, image_id=99),  # below: nobody asks whose it is
    )
    boxes = DetectedBoxes(path, LABELS, IDS, min_score=0.25)
    batch = PictureCollate(boxes)([item("a")])
    assert batch["boxes"].tolist() == [[1, 2, 4.5, 4], [0, 0, 8, 6]]
    assert batch["organs"].tolist() == [1, 2]
    assert batch["scores"] == [0.25, 1.0]
    assert PictureCollate(boxes)([item("c")])["boxes"].shape == (0, 4)


@pytest.mark.parametrize(
    ("ids", "given", "case"),
    [
        ({"a": 7, "b": 12}, "000000000012", "b"),
        ({"a": 7, "b": 12}, 7, "a"),
        ({"a": "x1", "b": "x2"}, "x2", "b"),
        ({"a": "1", "b": "01"}, "01", "b"),
        ({"a": "1", "b": "01"}, 1, "a"),
    ],
)
def test_image_ids_are_numbers_or_names(
    tmp_path: Path, ids: dict[str, int | str], given: int | str, case: str
) -> None:
    path = write(tmp_path, detection(given))
    boxes = DetectedBoxes(path, LABELS, CocoIds(ids, IDS.categories, "by name"))
    assert list(boxes.detections) == [case]


def test_what_reaches_outside_is_clipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cases = [{"case": n, "image": str(save_picture(tmp_path / f"{n}.png"))} for n in ("a", "b")]
    boxes = DetectedBoxes(write(tmp_path, detection(bbox=[-2, 3, 20, 20])), LABELS, IDS)
    with caplog.at_level(logging.WARNING):
        boxes.check(cases)
    assert "1 pictures have no detection" in caplog.text
    (found, _) = boxes(item("a"))[0]
    assert found.tolist() == [[0, 3, 8, 6]]  # 6 rows, 8 columns


@pytest.mark.parametrize("box", [[8, 0, 5, 5], [1, 1, 0, 4], [3, 3, -1, 2], [0, -5, 4, 5]])
def test_an_empty_one_is_refused_by_its_index(tmp_path: Path, box: list[float]) -> None:
    cases = [{"case": "a", "image": str(save_picture(tmp_path / "a.png"))}]
    boxes = DetectedBoxes(write(tmp_path, detection(), detection(bbox=box)), LABELS, IDS)
    with pytest.raises(CobotError, match=r"detection 1: its box .* empty or outside of a, which"):
        boxes.check(cases)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (detection(8), r"detection 1 has the image_id 8, .*\(by x.json\).* image_list"),
        (detection(category=1), "category_id 1, which is none of 30 ship, 40 tire"),
        (detection(category=[1]), "detection 1 is .*: give"),
        (detection(bbox=[1, 2, 3]), r"has the bbox \[1, 2, 3\]"),
        (detection(score="high"), "the score 'high'"),
        (detection(score=float("nan")), "the score nan"),
        (5, "detection 1 is 5: give"),
        ({"image_id": 7, "category_id": 30, "segmentation": {}}, "detection 1 is"),
    ],
)
def test_what_is_no_detection(tmp_path: Path, entry: Any, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        DetectedBoxes(write(tmp_path, detection(), entry), LABELS, IDS)


def test_min_score_is_a_number(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match="min_score='much': give a number"):
        DetectedBoxes(write(tmp_path), LABELS, IDS, min_score="much")  # type: ignore[arg-type]


def test_known_by_its_form(tmp_path: Path) -> None:
    assert holds_detections(write(tmp_path, detection()))
    (tmp_path / "boxes.json").write_text('{"schema": "monai_cobot/prompts/1"}')
    (tmp_path / "broken.json").write_text("[")
    assert not holds_detections(tmp_path / "boxes.json")
    assert not holds_detections(tmp_path / "broken.json")
    assert not holds_detections(tmp_path / "absent.json")
