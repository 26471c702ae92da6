from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest

from monai_cobot.data.checks import check_cases
from monai_cobot.data.nwpu import CLASSES, NWPU
from monai_cobot.data.spec import target_instances
from monai_cobot.data.text_boxes import match_boxes, read_text_boxes
from monai_cobot.errors import CobotError
from tests.data.picture_files import annotation, image, published, save_picture, write_coco

LISTS = {"training": "NWPU_instances_train.json", "test": "NWPU_instances_val.json"}
IMAGES, TRUTH = "positive image set", "ground truth"


def test_real_files_agree_with_their_json(real_data: Path) -> None:
    cases = NWPU.find_cases(real_data / "NWPU")
    check_cases(cases, NWPU)
    assert Counter(case["part"] for case in cases) == {"training": 150, "test": 50}
    for part, name in LISTS.items():
        content = published(real_data / "NWPU" / "annotations" / name)
        table = [(c["id"], c["name"]) for c in content["categories"]]
        assert table == list(enumerate(CLASSES, start=1)) == list(enumerate(NWPU.names, start=1))
        targets = {
            i["instance"]: NWPU.labels[i["organ"]]
            for case in cases
            if case["part"] == part
            for i in target_instances(case)
        }
        assert targets == {a["id"]: a["category_id"] for a in content["annotations"]}


def archive(folder: Path, text: str, name: str = "001") -> Path:
    save_picture(folder / IMAGES / f"{name}.jpg")
    (folder / TRUTH).mkdir(exist_ok=True)
    (folder / TRUTH / f"{name}.txt").write_text(text)
    return folder


@pytest.mark.parametrize("above", ["", "NWPU VHR-10 dataset"])
def test_the_archive_has_boxes_only(
    tmp_path: Path, above: str, caplog: pytest.LogCaptureFixture
) -> None:
    archive(tmp_path / above, "(1,2),(5,6),2 \r\n\r\n( 3.5,1 ),(4,2), 10\n")
    with caplog.at_level(logging.WARNING):
        (case,) = NWPU.find_cases(tmp_path)
    assert case["instances"] == [
        {"instance": 1, "organ": "ship", "box": [1, 2, 5, 6]},
        {"instance": 2, "organ": "vehicle", "box": [3.5, 1, 4, 2]},
    ]
    assert "part" not in case
    assert "boxes but no masks: for training, add annotations/NWPU_instances_train" in caplog.text
    assert NWPU.find_images(tmp_path) == [case]
    with pytest.raises(CobotError, match="none of 1 images has an instance with a mask: add the"):
        check_cases([case], NWPU)


def test_boxes_of_the_text_are_carried_where_they_match(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # the triangle's box is [1, 1, 5, 4]: the first is near, the second another class, the third far
    archive(tmp_path, "(1,1),(5,5),2\n(1,1),(5,4),3\n(6,4),(8,6),2\n")
    near, far = annotation(1, 1, 2), annotation(2, 1, 2, bbox=[6, 0, 2, 2])
    path = tmp_path / "annotations" / LISTS["training"]
    write_coco(path, [image(1, "001.jpg")], [far, near], CLASSES)
    with caplog.at_level(logging.WARNING):
        (case,) = NWPU.find_cases(tmp_path)
    assert [(i["instance"], i["box"]) for i in case["instances"]] == [
        (2, [6, 0, 8, 2]),
        (1, [1, 1, 5, 5]),
    ]
    assert len(target_instances(case)) == 2
    told = "1 boxes taken; 1 instances keep the JSON's box, 2 text boxes match none"
    assert told in caplog.text


def test_full_agreement_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive(tmp_path, "(1,1),(5,4),1\n")
    path = tmp_path / "annotations" / LISTS["test"]
    write_coco(path, [image(1, "001.jpg")], [annotation(1, 1)], CLASSES)
    with caplog.at_level(logging.INFO):
        NWPU.find_cases(tmp_path)
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_pairs_are_those_of_the_best_sum() -> None:
    """By hand: b overlaps both, but is a's only partner; the other class never counts."""
    first, second = [[0, 0, 10, 10], [0, 0, 10, 8]], [[0, 0, 10, 9], [0, 0, 10, 6]]
    # overlaps: a-0 0.9, a-1 0.6, b-0 8/9, b-1 0.75; 0.9 + 0.75 > 0.6 + 8/9
    assert match_boxes(first, [1, 1], second, [1, 1]) == [(0, 0), (1, 1)]
    assert match_boxes(first, [1, 1], second, [2, 1]) == [(1, 1)]
    assert match_boxes(first, [1, 1], [[0, 0, 10, 3]], [1]) == []
    assert match_boxes([], [], second, [1, 1]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "(1,2),(5,6),2\n(1,2),5,6,2",
            r"line 2: '\(1,2\),5,6,2' is no '\(x1,y1\),\(x2,y2\),class'",
        ),
        ("(1,2),(5,6),11", "line 1: class 11 is not among 1 to 10"),
        ("(1,2),(5,6),0", "line 1: class 0 is not among 1 to 10"),
    ],
)
def test_a_broken_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "1.txt").write_text(text)
    with pytest.raises(CobotError, match=rf"1\.txt, {message}"):
        read_text_boxes(tmp_path / "1.txt", 10)


def test_broken_text_files(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"1\.txt does not exist: check the path"):
        read_text_boxes(tmp_path / "1.txt", 10)
    (tmp_path / "1.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(CobotError, match="is not readable as text"):
        read_text_boxes(tmp_path / "1.txt", 10)


def test_a_picture_without_text(tmp_path: Path) -> None:
    archive(tmp_path, "")
    save_picture(tmp_path / IMAGES / "002.jpg")
    with pytest.raises(CobotError, match="002 is in only one of positive image set and ground"):
        NWPU.find_cases(tmp_path)


def test_a_picture_in_both_lists(tmp_path: Path) -> None:
    save_picture(tmp_path / "imgs/001.jpg")
    for name in LISTS.values():
        write_coco(tmp_path / "annotations" / name, [image(1, "001.jpg")], [], CLASSES)
    with pytest.raises(CobotError, match=r"001\.jpg is in two lists of .*: take it out of one"):
        NWPU.find_cases(tmp_path)


def test_no_layout(tmp_path: Path) -> None:
    message = r"known layout: expected annotations/NWPU.*, or positive image set/NNN\.jpg with"
    with pytest.raises(CobotError, match=message):
        NWPU.find_cases(tmp_path)
    save_picture(tmp_path / "x.png")
    assert [case["case"] for case in NWPU.find_images(tmp_path)] == ["x"]
