from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_cobot.data.brast import BRAST, BusiFolders
from monai_cobot.data.checks import check_cases
from monai_cobot.data.spec import Case, target_instances
from monai_cobot.errors import CobotError
from tests.data.picture_files import block, save_mask, save_picture

NAME = "Dataset_BUSI_with_GT"


def make(folder: Path, name: str, masks: tuple[str, ...] = ("_mask",), seed: int = 0) -> None:
    save_picture(folder / f"{name}.png", seed=seed)
    for place, suffix in enumerate(masks):
        save_mask(folder / f"{name}{suffix}.png", block(place, place, place + 2, place + 2))


def test_real_files_are_all_found(real_data: Path) -> None:
    folder = real_data / "BRAST" / NAME / "malignant"
    files = {path.name for path in folder.iterdir()}
    cases = BRAST.find_cases(real_data / "BRAST")
    check_cases(cases, BRAST)
    assert len(cases) == 105
    named = {f"{case['case']}.png" for case in cases}
    masks = {
        Path(file).name for case in cases for i in case["instances"] for file in i["mask_files"]
    }
    assert named | masks == files
    assert not named & masks


@pytest.mark.parametrize("inside", [".", NAME, f"{NAME}/malignant"])
def test_every_level_may_be_given(real_data: Path, inside: str) -> None:
    assert BRAST.find_cases(real_data / "BRAST" / inside) == BRAST.find_cases(real_data / "BRAST")
    assert BRAST.find_images(real_data / "BRAST" / inside) == BRAST.find_cases(real_data / "BRAST")


def test_several_masks_are_one_lesion(tmp_path: Path) -> None:
    make(tmp_path, "malignant (3)", ("_mask_10", "_mask", "_mask_2"))
    (case,) = BRAST.find_cases(tmp_path)
    (lesion,) = target_instances(case)
    assert lesion["organ"] == "lesion"
    assert [Path(file).name for file in lesion["mask_files"]] == [
        "malignant (3)_mask.png",
        "malignant (3)_mask_2.png",
        "malignant (3)_mask_10.png",
    ]


def test_copies_are_one_group(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also where a copy is stored in another way; one pixel makes another picture."""
    make(tmp_path, "malignant (1)", seed=1)
    make(tmp_path, "malignant (2)", seed=2)
    make(tmp_path, "malignant (3)")
    make(tmp_path, "malignant (4)")
    original = Image.open(tmp_path / "malignant (1).png")
    original.save(tmp_path / "malignant (3).png", compress_level=0)
    pixels = np.array(original)
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(tmp_path / "malignant (4).png")
    with caplog.at_level(logging.WARNING):
        cases = BRAST.find_cases(tmp_path)
    assert [case["patient"][-2] for case in cases] == ["1", "2", "1", "4"]
    assert "1 pictures are copies of others: malignant (3) = malignant (1)" in caplog.text


def test_other_kinds_are_an_option(tmp_path: Path) -> None:
    for kind in ("malignant", "benign", "normal"):
        make(tmp_path / NAME / kind, f"{kind} (1)", seed=len(kind))
    assert [case["case"] for case in BRAST.find_cases(tmp_path)] == ["malignant (1)"]
    cases = BusiFolders(("malignant", "benign", "normal")).find_cases(tmp_path)
    targets = {case["case"]: len(target_instances(case)) for case in cases}
    assert targets == {"benign (1)": 1, "malignant (1)": 1, "normal (1)": 0}


def test_a_picture_without_mask(tmp_path: Path) -> None:
    make(tmp_path, "malignant (1)")
    make(tmp_path, "malignant (2)", ())
    with pytest.raises(
        CobotError, match=r"\(2\)\.png has no mask: add malignant \(2\)_mask\.png or"
    ):
        BRAST.find_cases(tmp_path)


def test_a_mask_without_picture(tmp_path: Path) -> None:
    make(tmp_path, "malignant (1)")
    (tmp_path / "malignant (1).png").unlink()
    with pytest.raises(CobotError, match=r"mask of a picture malignant \(1\), which is not there"):
        BRAST.find_cases(tmp_path)


def test_a_broken_picture(tmp_path: Path) -> None:
    make(tmp_path, "malignant (1)")
    path = tmp_path / "malignant (1).png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(CobotError, match=r"\(1\)\.png is not readable as a picture.*copy it again"):
        BRAST.find_cases(tmp_path)


def checked(folder: Path) -> list[Case]:
    cases = BRAST.find_cases(folder)
    check_cases(cases, BRAST)
    return cases


def test_masks_are_checked(tmp_path: Path) -> None:
    make(tmp_path, "malignant (1)", ("_mask", "_mask_1"))
    save_mask(tmp_path / "malignant (1)_mask_1.png", np.zeros((6, 8)))
    checked(tmp_path)  # one of two may be empty
    save_mask(tmp_path / "malignant (1)_mask.png", np.zeros((6, 8)))
    with pytest.raises(CobotError, match=r"_mask\.png and .*_mask_1\.png is empty: mend it"):
        checked(tmp_path)
    save_mask(tmp_path / "malignant (1)_mask.png", np.ones((8, 6)))
    message = r"_mask\.png has \(8, 6\) rows and columns, its picture \(6, 8\): export the mask"
    with pytest.raises(CobotError, match=message):
        checked(tmp_path)


def test_no_layout_and_plain_folder(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"known layout: expected 'malignant \(n\)\.png' with"):
        BRAST.find_cases(tmp_path)
    make(tmp_path, "malignant (1)")
    (tmp_path / "malignant (1)_mask.png").unlink()
    shutil.copy(tmp_path / "malignant (1).png", tmp_path / "another.png")
    assert [case["case"] for case in BRAST.find_images(tmp_path)] == ["another", "malignant (1)"]
