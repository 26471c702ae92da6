from __future__ import annotations

from pathlib import Path

import pytest

from monai_cobot.data.checks import check_cases
from monai_cobot.data.spec import target_instances
from monai_cobot.data.ssdd import SSDD
from monai_cobot.data.voc_xml import read_voc
from monai_cobot.errors import CobotError
from tests.data.picture_files import annotation, image, published, save_picture, write_coco

OBJECT = """
 <object><name>ship</name><difficult>0</difficult>
  <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>4</ymax><bbox_w>4</bbox_w></bndbox>
  {outlines}
 </object>"""
TRIANGLE = "<segm><point>1,1</point><point>5,1</point><point>5,4</point></segm>"


def write_xml(path: Path, *objects: str, width: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = f"<size><width>{width}</width><height>6</height><depth>3</depth></size>"
    path.write_text(f"<annotation>{size}{''.join(objects)}</annotation>")
    return path


def voc(root: Path, suffix: str, name: str, *objects: str) -> None:
    save_picture(root / f"JPEGImages{suffix}" / f"{name}.jpg")
    write_xml(root / f"Annotations{suffix}" / f"{name}.xml", *objects)


def test_real_files(real_data: Path) -> None:
    cases = SSDD.find_cases(real_data / "SSDD")
    check_cases(cases, SSDD)
    assert [(case["case"], case["part"]) for case in cases] == [
        ("000001", "test"),
        ("000002", "training"),
    ]
    (truth,) = published(real_data / "SSDD/annotations/SSDD_instances_val.json")["annotations"]
    for case, side in zip(cases, ("val", "train"), strict=True):
        annotations = published(real_data / f"SSDD/annotations/SSDD_instances_{side}.json")[
            "annotations"
        ]
        assert len(case["instances"]) == len(annotations)
    (ship,) = cases[0]["instances"]
    assert ship["organ"] == "ship"
    assert ship["segmentation"] == truth["segmentation"]
    assert ship["box"] == [218, 48, 218 + 49, 48 + 99]
    assert len(SSDD.find_images(real_data / "SSDD" / "imgs")) == 2


@pytest.mark.parametrize("above", ["", "coco_style", "Official-SSDD-OPEN/PSeg_SSDD/coco_style"])
def test_the_official_release_in_coco_style(tmp_path: Path, above: str) -> None:
    root = tmp_path / above
    for name in ("train", "test"):
        save_picture(root / f"images/{name}/{name}1.jpg")
        path = root / f"annotations/{name}.json"
        write_coco(path, [image(1, f"{name}1.jpg")], [annotation(1, 1)], ("ship",))
    found = {case["case"]: case["part"] for case in SSDD.find_cases(tmp_path)}
    assert found == {"train1": "training", "test1": "test"}


@pytest.mark.parametrize("above", ["", "voc_style", "BBox_RBox_PSeg_SSDD/voc_style"])
def test_the_official_release_in_voc_style(tmp_path: Path, above: str) -> None:
    voc(tmp_path / above, "_train", "000002", OBJECT.format(outlines=TRIANGLE))
    voc(tmp_path / above, "_test", "000001")
    cases = SSDD.find_cases(tmp_path)
    check_cases(cases, SSDD)
    assert [(case["case"], case["part"]) for case in cases] == [
        ("000001", "test"),
        ("000002", "training"),
    ]
    assert cases[0]["instances"] == []
    assert cases[1]["instances"] == [
        {
            "instance": 1,
            "organ": "ship",
            "box": [1, 1, 5, 4],
            "segmentation": [[1, 1, 5, 1, 5, 4]],
            "size": [6, 8],
        }
    ]


def test_folders_without_parts(tmp_path: Path) -> None:
    voc(tmp_path, "", "000001", OBJECT.format(outlines=TRIANGLE))
    (case,) = SSDD.find_cases(tmp_path)
    assert "part" not in case
    assert SSDD.find_images(tmp_path) == [case]


def test_outlines_of_one_ship(tmp_path: Path) -> None:
    """Several outlines, the other word for them, and none."""
    other = TRIANGLE.replace("segm", "polygon")
    short = "<segm><point>1,1</point><point>5,1</point></segm>"
    objects = [OBJECT.format(outlines=text) for text in (TRIANGLE + TRIANGLE, other, "", short)]
    voc(tmp_path, "", "1", *objects)
    (case,) = SSDD.find_cases(tmp_path)
    assert [len(i.get("segmentation", ())) for i in case["instances"]] == [2, 1, 0, 0]
    assert [i["instance"] for i in target_instances(case)] == [1, 2]


def test_a_size_that_is_another_picture_s(tmp_path: Path) -> None:
    save_picture(tmp_path / "JPEGImages/1.jpg")
    write_xml(tmp_path / "Annotations/1.xml", OBJECT.format(outlines=TRIANGLE), width=9)
    message = (
        r"instance 1 was outlined on a picture of \(6, 9\) rows and columns, this one has \(6, 8"
    )
    with pytest.raises(CobotError, match=message):
        check_cases(SSDD.find_cases(tmp_path), SSDD)


def test_an_object_of_another_class(tmp_path: Path) -> None:
    voc(tmp_path, "", "1", OBJECT.format(outlines="").replace("ship", "whale"))
    with pytest.raises(CobotError, match=r"1\.xml has an object 'whale': expected ship only"):
        SSDD.find_cases(tmp_path)


def test_files_that_are_alone(tmp_path: Path) -> None:
    voc(tmp_path, "_train", "1")
    save_picture(tmp_path / "JPEGImages_train/2.jpg")
    message = "2 is in only one of JPEGImages_train and Annotations_train: restore or remove it"
    with pytest.raises(CobotError, match=message):
        SSDD.find_cases(tmp_path)


def test_a_picture_in_both_parts(tmp_path: Path) -> None:
    voc(tmp_path, "_train", "1")
    voc(tmp_path, "_test", "1")
    with pytest.raises(CobotError, match="case '1' is there twice"):
        SSDD.find_cases(tmp_path)


def test_no_layout(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"expected annotations/SSDD.*, or JPEGImages_train with"):
        SSDD.find_cases(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "is not readable as XML"),
        ("<a><object><name> </name></object></a>", "has an object without a name: name its class"),
        (
            "<a><object><name>s</name><bndbox><xmin>1</xmin></bndbox></object></a>",
            "has None where a number belongs: mend it",
        ),
        (
            "<a><object><name>s</name><segm><point>1;2</point></segm></object></a>",
            "has the point '1;2': write it as 'x,y'",
        ),
        (
            "<a><size><width>x</width><height>1</height></size></a>",
            "has 'x' where a number belongs",
        ),
    ],
)
def test_a_broken_xml(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "1.xml").write_text(text)
    with pytest.raises(CobotError, match=rf"1\.xml {message}"):
        read_voc(tmp_path / "1.xml")
    with pytest.raises(CobotError, match=r"2\.xml does not exist: check the path"):
        read_voc(tmp_path / "2.xml")
