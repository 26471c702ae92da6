"""Pictures that cannot be trained on, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_cobot.data.checks import check_cases
from monai_cobot.data.image_checks import check_image_case
from monai_cobot.data.spec import Case
from monai_cobot.data.ssdd import SSDD
from monai_cobot.errors import CobotError
from tests.data.picture_files import TRIANGLE, block, save_mask, save_picture


@pytest.fixture
def case(tmp_path: Path) -> Case:
    ship = {
        "instance": 3,
        "organ": "ship",
        "box": [1, 1, 5, 4],
        "segmentation": [TRIANGLE],
        "size": [6, 8],
    }
    path = save_picture(tmp_path / "a.jpg")
    return {"case": "a", "patient": "a", "image": str(path), "instances": [ship]}


def test_a_good_case(case: Case) -> None:
    check_cases([case], SSDD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"organ": "whale"}, "instance 3 is a 'whale': expected one of ship"),
        ({"box": [1, 2, 3]}, r"has the box \[1, 2, 3\]: give x0, y0, x1, y1, ascending"),
        ({"box": [5, 1, 1, 4]}, r"has the box \[5, 1, 1, 4\]: give x0, y0, x1, y1, ascending"),
        ({"box": [1, float("nan"), 5, 4]}, "has the box .*: give x0, y0, x1, y1, ascending"),
        ({"box": [8, 1, 9, 4]}, r"outside of its picture of \(6, 8\) rows and columns: mend or"),
        ({"box": [1, 6, 5, 9]}, "outside of its picture"),
        ({"box": [-3, 1, 0, 4]}, "outside of its picture"),
        ({"box": [1, -3, 5, 0]}, "outside of its picture"),
        ({"size": [8, 6]}, r"outlined on a picture of \(8, 6\) rows and columns, this one has \(6"),
    ],
)
def test_a_broken_instance(case: Case, change: dict[str, Any], message: str) -> None:
    case["instances"][0].update(change)
    with pytest.raises(CobotError, match=message):
        check_image_case(case, SSDD)


@pytest.mark.parametrize("box", [[-2, -2, 3, 3], [6.5, 4, 8.2, 6.01], [2, 1, 5, 1]])
def test_boxes_may_stick_out_or_be_flat(case: Case, box: list[float]) -> None:
    case["instances"][0]["box"] = box
    check_image_case(case, SSDD)


def test_a_number_twice(case: Case) -> None:
    case["instances"] *= 2
    with pytest.raises(
        CobotError, match="instance 3 is there twice: give each a number of its own"
    ):
        check_image_case(case, SSDD)


def grey(mode: str) -> Image.Image:
    return Image.new(mode, (8, 6))


def see_through(alpha: int) -> Image.Image:
    return Image.new("RGBA", (8, 6), (1, 2, 3, alpha))


@pytest.mark.parametrize(
    ("picture", "ending", "message"),
    [
        (grey("I;16"), "png", r"more than 8 bits a channel \(mode I;16\): scale it to 0\.\.255"),
        (grey("F"), "tif", r"more than 8 bits a channel \(mode F\)"),
        (see_through(254), "png", "pixels that one can see through: flatten it onto a background"),
        (see_through(255), "png", None),
        (grey("L"), "png", None),
        (grey("1"), "png", None),
        (grey("P"), "png", None),
        (grey("CMYK"), "jpg", None),
    ],
)
def test_kinds_of_pixels(
    case: Case, tmp_path: Path, picture: Image.Image, ending: str, message: str | None
) -> None:
    case["image"] = str(tmp_path / f"b.{ending}")
    picture.save(case["image"])
    if message is None:
        check_image_case(case, SSDD)
    else:
        with pytest.raises(CobotError, match=message):
            check_image_case(case, SSDD)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_truncated_picture(case: Case, tmp_path: Path, ending: str) -> None:
    """Its header is whole; the end is missing, of a JPEG too, which is not decoded in full."""
    path = save_picture(tmp_path / f"b.{ending}", size=(64, 80))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    case["image"] = str(path)
    with pytest.raises(
        CobotError, match=rf"b\.{ending} is not readable as a picture, it may be trunc"
    ):
        check_image_case(case, SSDD)


def test_a_missing_picture_and_one_that_is_none(case: Case, tmp_path: Path) -> None:
    case["image"] = str(tmp_path / "absent.png")
    with pytest.raises(CobotError, match=r"absent\.png does not exist: check the path"):
        check_image_case(case, SSDD)
    (tmp_path / "absent.png").write_text("no picture")
    with pytest.raises(CobotError, match="is not readable as a picture"):
        check_image_case(case, SSDD)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_masks_of_all_kinds_are_read(case: Case, tmp_path: Path, mode: str) -> None:
    """Drawn in each mode; what is opaque black is no mask."""
    path = tmp_path / "m.png"
    Image.fromarray(block(1, 1, 4, 5)).convert(mode).save(path)
    case["instances"] = [{"instance": 1, "organ": "ship", "mask_files": [str(path)]}]
    if mode != "P":  # a palette from grey numbers them anew
        check_image_case(case, SSDD)
    Image.fromarray(np.zeros((6, 8), np.uint8)).convert(mode).save(path)
    with pytest.raises(CobotError, match=r"m\.png is empty: mend it or remove the picture"):
        check_image_case(case, SSDD)


def test_a_mask_of_fractions(case: Case, tmp_path: Path) -> None:
    grey("F").save(tmp_path / "m.tif")
    case["instances"] = [{"instance": 1, "organ": "ship", "mask_files": [str(tmp_path / "m.tif")]}]
    with pytest.raises(CobotError, match="holds fractions, which is no mask: save it as integers"):
        check_image_case(case, SSDD)


def test_an_index_mask_of_another_size(case: Case, tmp_path: Path) -> None:
    path = save_mask(tmp_path / "m.png", np.zeros((8, 6)))
    case["instances"] = [{"instance": 1, "organ": "ship", "index_mask": str(path), "value": 1}]
    with pytest.raises(
        CobotError, match=r"m\.png has \(8, 6\) rows and columns, its picture \(6, 8"
    ):
        check_image_case(case, SSDD)


def test_no_target_at_all(case: Case) -> None:
    empty = {**case, "case": "b", "instances": []}
    check_cases([case, empty], SSDD)
    with pytest.raises(CobotError, match="none of 1 images has an instance with a mask: add the"):
        check_cases([empty], SSDD)
    unlabelled = {key: value for key, value in case.items() if key != "instances"}
    check_cases([unlabelled], SSDD)


def test_broken_cases_are_listed(case: Case) -> None:
    cases = [{**case, "case": name, "image": f"{name}.png"} for name in "xyz"]
    message = r"3 unusable case\(s\):\n  x: x\.png does not exist.*\n  y: .*\n  z: "
    with pytest.raises(CobotError, match=message):
        check_cases(cases, SSDD)
