"""What every reader of images owes, held on the real files and against the masks made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from monai_cobot.data import datasets
from monai_cobot.data.image_files import image_size
from monai_cobot.data.spec import IMAGES, target_instances
from monai_cobot.transforms.instances import instance_masks, targets

CODES = [code for code in datasets.names() if datasets.get(code).modality in IMAGES]
REAL = [code for code in CODES if code != "TRCAN-MATERIAL"]


@pytest.mark.parametrize("code", REAL)
def test_cases_are_what_the_spec_says(real_data: Path, code: str) -> None:
    spec = datasets.get(code)
    cases = spec.find_cases(real_data / code)
    assert json.loads(json.dumps(cases)) == cases
    names = [case["case"] for case in cases]
    assert names == sorted(set(names))
    assert not any("/" in name or "\\" in name for name in names)
    assert {case.get("part") for case in cases} <= {None, "training", "validation", "test"}
    for case in cases:
        assert Path(case["image"]).is_absolute()
        numbers = [instance["instance"] for instance in case["instances"]]
        assert len(set(numbers)) == len(numbers)
        assert {instance["organ"] for instance in case["instances"]} <= set(spec.names)
    assert spec.find_images(real_data / code) == cases


@pytest.mark.parametrize("code", REAL)
def test_masks_lie_in_their_boxes(real_data: Path, code: str) -> None:
    """To the pixel by which outlines and boxes are rounded; a box that is off by more is wrong."""
    for case in datasets.get(code).find_cases(real_data / code)[::10]:
        chosen = target_instances(case)
        assert chosen == targets(case["instances"])
        masks = instance_masks(chosen, image_size(case["image"])).numpy()
        for instance, mask in zip(chosen, masks, strict=True):
            ys, xs = np.nonzero(mask)
            tight = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            box = instance.get("box", tight)
            np.testing.assert_allclose(tight, box, atol=3.0, err_msg=str((case["case"], instance)))


@pytest.mark.parametrize(
    ("code", "json_file"),
    [
        ("COCO", "annotations/instances_val2017.json"),
        ("TRCAN", "instances_val_trashcan.json"),
        ("NWPU", "annotations/NWPU_instances_val.json"),
        ("SSDD", "annotations/SSDD_instances_val.json"),
    ],
)
def test_masks_are_those_of_pycocotools(real_data: Path, code: str, json_file: str) -> None:
    coco = COCO(real_data / code / json_file)
    cases = datasets.get(code).find_cases(real_data / code)
    for case in [case for case in cases if case["part"] == "test"][:5]:
        chosen = target_instances(case)
        masks = instance_masks(chosen, image_size(case["image"])).numpy()
        truth = [coco.annToMask(coco.anns[instance["instance"]]) for instance in chosen]
        np.testing.assert_array_equal(masks, truth)


@pytest.mark.parametrize("code", CODES)
def test_an_empty_folder_tells_the_layout(tmp_path: Path, code: str) -> None:
    for find in (datasets.get(code).find_cases, datasets.get(code).find_images):
        with pytest.raises(ValueError, match="expected"):
            find(tmp_path)
