"""Datalists of pictures, with an organ table of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from monai_cobot.data.checks import check_cases
from monai_cobot.data.organ_table import read_organ_table
from monai_cobot.data.spec import DatasetSpec
from monai_cobot.errors import CobotError
from monai_cobot.transforms import instance_masks

SIZE = (12, 10)  # rows, columns


@pytest.fixture
def spec(tmp_path: Path) -> DatasetSpec:
    table = {"modality": "US", "organs": {"thyroid": 1, "nodule": 5}}
    (tmp_path / "neck.json").write_text(json.dumps(table))
    return read_organ_table(tmp_path / "neck.json")


@pytest.fixture
def mask(tmp_path: Path) -> np.ndarray:
    """A picture a.png, and its mask file m.png with a thyroid and a nodule."""
    pixels = np.zeros(SIZE, np.uint8)
    pixels[2:6, 1:9], pixels[7:9, 3:5] = 1, 5
    Image.fromarray(pixels).save(tmp_path / "m.png")
    Image.fromarray(pixels * 40).save(tmp_path / "a.png")
    return pixels


def datalist(folder: Path, *entries: Any) -> Path:
    (folder / "list.json").write_text(json.dumps({"training": list(entries)}))
    return folder / "list.json"


def test_a_mask_file_is_an_instance_an_organ(
    spec: DatasetSpec, mask: np.ndarray, tmp_path: Path
) -> None:
    path = datalist(tmp_path, {"image": "a.png", "mask": "m.png", "patient": "p", "site": 2})
    (case,) = spec.find_cases(path)
    assert (case["case"], case["patient"], case["site"]) == ("a", "p", 2)
    assert [instance["organ"] for instance in case["instances"]] == ["thyroid", "nodule"]
    masks = instance_masks(case["instances"], SIZE)
    assert torch.equal(masks[0], torch.from_numpy(mask == 1).to(torch.uint8))
    assert torch.equal(masks[1], torch.from_numpy(mask == 5).to(torch.uint8))
    check_cases([case], spec)


def test_instances_as_the_package_has_them(
    spec: DatasetSpec, mask: np.ndarray, tmp_path: Path
) -> None:
    outline = [[1, 2, 9, 2, 9, 6, 1, 6]]
    instances = [
        {"organ": "thyroid", "segmentation": outline, "size": SIZE},
        {"organ": "nodule", "index_mask": "m.png", "value": 5, "instance": 9},
        {"organ": "nodule", "mask_files": ["m.png"]},
    ]
    (case,) = spec.find_cases(datalist(tmp_path, {"image": "a.png", "instances": instances}))
    assert [instance["instance"] for instance in case["instances"]] == [1, 9, 3]
    expected = np.stack([mask == 1, mask == 5, mask > 0])
    assert np.array_equal(instance_masks(case["instances"], SIZE).numpy(), expected)
    check_cases([case], spec)


def test_a_folder_of_pictures_for_inference(spec: DatasetSpec, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "new" / "b.png")
    (case,) = spec.find_images(tmp_path / "new")
    assert (case["case"], case["image"]) == ("b", str(tmp_path / "new" / "b.png"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"mask": "m.png"}, "needs an 'image'"),
        ({"image": "a.png"}, "needs a 'mask' or 'instances', one of them"),
        ({"image": "a.png", "mask": "m.png", "instances": []}, "one of them"),
        ({"image": "gone.png", "mask": "m.png"}, r"names gone\.png, which does not exist"),
        ({"image": "a.png", "mask": "gone.png"}, r"names gone\.png, which does not exist"),
        ({"image": "a.png", "instances": [{"segmentation": []}]}, "each with an 'organ'"),
        ({"image": "a.png", "mask": "m.png", "patient": " "}, "case a has an empty patient"),
    ],
)
def test_entries_that_are_refused(
    spec: DatasetSpec, mask: np.ndarray, tmp_path: Path, entry: dict[str, Any], message: str
) -> None:
    with pytest.raises(CobotError, match=rf"list\.json.*{message}"):
        spec.find_cases(datalist(tmp_path, entry))


def test_values_outside_of_the_table_are_refused(
    spec: DatasetSpec, mask: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(mask + np.uint8(2) * (mask == 5)).save(tmp_path / "m.png")
    with pytest.raises(CobotError, match=r"m\.png has numbers \[7\] outside the class table"):
        spec.find_cases(datalist(tmp_path, {"image": "a.png", "mask": "m.png"}))
