from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from monai_cobot.data.checks import check_cases
from monai_cobot.data.sonar import CLASSES, SONAR
from monai_cobot.data.spec import target_instances
from monai_cobot.errors import CobotError
from tests.data.picture_files import block, save_mask, save_picture

CAN, WALL = CLASSES.index("Can") + 1, CLASSES.index("Wall") + 1


def make(root: Path, name: str = "s1", mask: object = None, boxes: str | None = None) -> None:
    save_picture(root / "Images" / f"{name}.png")
    save_mask(root / "Masks" / f"{name}.png", block(1, 1, 4, 5, CAN) if mask is None else mask)
    if boxes is not None:
        (root / "BoxAnnotations").mkdir(exist_ok=True)
        (root / "BoxAnnotations" / f"{name}.xml").write_text(f"<annotation>{boxes}</annotation>")


def boxed(name: str, x: int, y: int, w: int, h: int) -> str:
    box = "".join(
        f"<{key}>{value}</{key}>" for key, value in zip("xywh", (x, y, w, h), strict=True)
    )
    return f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"


def test_classes_are_those_of_its_readme(real_data: Path) -> None:
    text = (real_data / "SONAR" / "README.md").read_text()
    told = {int(n): name for n, name in re.findall(r"(\d+):\s+([\w-]+)", text)}
    assert {label: name for name, label in SONAR.labels.items()} | {0: "Background"} == told


def test_real_files_agree_with_lists_and_xml(
    real_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = real_data / "SONAR"
    with caplog.at_level(logging.WARNING):
        cases = SONAR.find_cases(root)
    check_cases(cases[::20], SONAR)
    for part, name in (("training", "train"), ("test", "val")):
        listed = (root / "splits" / f"{name}.txt").read_text().split()
        assert [case["case"] for case in cases if case["part"] == part] == sorted(listed)
    told: Counter[str] = Counter()
    for case in cases:
        xml = ElementTree.parse(root / "BoxAnnotations" / f"{case['case']}.xml")
        found = xml.findall("object")
        assert len(found) == len(case["instances"]) == len(target_instances(case))
        told.update(each.findtext("name") or "" for each in found)
    # In 19 pictures the XML calls a can Wall, which the mask tells.
    assert "19 objects are called otherwise by their mask, which is followed; 0 have" in caplog.text
    told.subtract({"Wall": 19})
    told.update({"Can": 19})
    assert Counter(i["organ"] for case in cases for i in case["instances"]) == told


def test_instances_of_a_real_picture_share_no_pixel(real_data: Path) -> None:
    """And together they are what the mask has: boxes and names fit the mask throughout."""
    for case in SONAR.find_cases(real_data / "SONAR")[::10]:
        mask = np.asarray(Image.open(case["instances"][0]["index_mask"]))
        covered = np.zeros(mask.shape, int)
        for each in case["instances"]:
            x0, y0, x1, y1 = map(int, each["box"])
            covered[y0:y1, x0:x1] += mask[y0:y1, x0:x1] == each["value"]
        np.testing.assert_array_equal(covered, mask > 0)


def test_an_object_of_the_xml(tmp_path: Path) -> None:
    make(tmp_path, boxes=boxed("can", 1, 1, 4, 3))
    (case,) = SONAR.find_cases(tmp_path)
    mask = str(tmp_path / "Masks/s1.png")
    assert case["instances"] == [
        {"instance": 1, "box": [1, 1, 5, 4], "organ": "Can", "index_mask": mask, "value": CAN}
    ]
    assert "part" not in case


def test_the_mask_decides_the_class(tmp_path: Path) -> None:
    make(tmp_path, boxes=boxed("Wall", 1, 1, 4, 3))
    assert SONAR.find_cases(tmp_path)[0]["instances"][0]["organ"] == "Can"


def test_the_mask_does_not_decide_where_the_box_does_not_fit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, boxes=boxed("Wall", 0, 0, 6, 5) + boxed("Can", 5, 4, 3, 2))
    with caplog.at_level(logging.WARNING):
        (case,) = SONAR.find_cases(tmp_path)
    assert [each["organ"] for each in case["instances"]] == ["Wall", "Can"]
    assert target_instances(case) == []
    assert "2 have no pixel of their class in their box and are no targets" in caplog.text


def test_without_xml_a_class_is_an_instance(tmp_path: Path) -> None:
    make(tmp_path, mask=block(1, 1, 4, 5, WALL) + block(4, 5, 6, 8, CAN))
    (case,) = SONAR.find_cases(tmp_path)
    found = [(each["instance"], each["organ"], each["value"]) for each in case["instances"]]
    assert found == [(1, "Can", CAN), (2, "Wall", WALL)]
    assert all("box" not in each for each in case["instances"])


@pytest.mark.parametrize(
    ("lists", "parts"),
    [
        ({"train": "s1", "val": "s2"}, {"s1": "training", "s2": "test"}),
        (
            {"train": "s1.png\n", "val": "s2", "test": "\ns3"},
            {"s1": "training", "s2": "validation", "s3": "test"},
        ),
    ],
)
def test_published_lists(
    tmp_path: Path,
    lists: dict[str, str],
    parts: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("s1", "s2", "s3", "s4"):
        make(tmp_path, name)
    (tmp_path / "splits").mkdir()
    for name, text in lists.items():
        (tmp_path / "splits" / f"{name}.txt").write_text(text)
    with caplog.at_level(logging.WARNING):
        cases = SONAR.find_cases(tmp_path)
    assert {case["case"]: case["part"] for case in cases} == parts
    assert f"{4 - len(parts)} pictures are in no list and left out" in caplog.text


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        ("s1\ns9", "", r"train\.txt lists s9, which is not there: restore it or its line"),
        ("s1", "s1", r"val\.txt lists s1, which is listed already: list it once"),
    ],
)
def test_broken_lists(tmp_path: Path, train: str, val: str, message: str) -> None:
    make(tmp_path)
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text(train)
    (tmp_path / "splits/val.txt").write_text(val)
    with pytest.raises(CobotError, match=message):
        SONAR.find_cases(tmp_path)


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"known layout: expected Images/<name>\.png with Masks/"):
        SONAR.find_cases(tmp_path)
    make(tmp_path, boxes=boxed("Whale", 1, 1, 4, 3))
    with pytest.raises(CobotError, match=r"s1\.xml has an object 'Whale': expected Bottle, Can,"):
        SONAR.find_cases(tmp_path)
    save_picture(tmp_path / "Images/s2.png")
    (tmp_path / "BoxAnnotations/s1.xml").unlink()
    with pytest.raises(CobotError, match=r"s2\.png has no mask in .*Masks: add it or remove the"):
        SONAR.find_cases(tmp_path)


def test_a_number_outside_the_table(tmp_path: Path) -> None:
    make(tmp_path, mask=block(1, 1, 4, 5, 12) + block(4, 5, 6, 8, CAN))
    message = r"s1\.png has numbers \[12\] outside the class table"
    with pytest.raises(CobotError, match=message):
        check_cases(SONAR.find_cases(tmp_path), SONAR)


def test_a_plain_folder(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png")
    assert [case["case"] for case in SONAR.find_images(tmp_path)] == ["a"]
