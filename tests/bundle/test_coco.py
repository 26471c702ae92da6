"""A bundle of pictures with COCO's files: average precision, a detector's boxes, results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from monai_cobot.bundle import coco_ids
from monai_cobot.data import datasets
from monai_cobot.errors import CobotError
from monai_cobot.inferers import PromptedImageInferer
from tests.bundle.conftest import BRAST, FAST, run_bundle
from tests.data.picture_files import annotation, image, save_picture, write_coco

SIZE = (48, 64)
SQUARE = [10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]
UNTRAINED = {"checkpoint": "none", "spec": "$cobot.get_dataset('COCO')", **FAST}
QUALITY = 0.625


@pytest.fixture(autouse=True)
def quality(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives every mask the same quality, which the test can look for."""
    call = PromptedImageInferer.__call__

    def with_quality(self: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        found = call(self, *args, **kwargs)
        self.quality = torch.full((len(found),), QUALITY)
        return found

    monkeypatch.setattr(PromptedImageInferer, "__call__", with_quality)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A person and a crowd to train on; a car in one of two pictures of the published test."""
    folder = tmp_path / "data"
    for part, number in (("train", 3), ("train", 4), ("train", 5), ("val", 7), ("val", 12)):
        save_picture(folder / f"{part}2017" / f"{number:012d}.jpg", SIZE, seed=number)
    annotations = {
        "train": [annotation(number, number, 1, segmentation=[SQUARE]) for number in (3, 4, 5)],
        "val": [
            annotation(31, 7, 3, segmentation=[SQUARE], bbox=[10, 10, 20, 20], area=400.0),
            annotation(32, 7, 1, iscrowd=1, segmentation={
                "counts": [0, 48, 48 * 63], "size": [*SIZE]}),
        ],
    }  # fmt: skip
    for part, numbers in (("train", (3, 4, 5)), ("val", (7, 12))):
        images = [image(number, f"{number:012d}.jpg", SIZE) for number in numbers]
        path = folder / "annotations" / f"instances_{part}2017.json"
        write_coco(path, images, annotations[part], ("person", "bicycle", "car"))
    return folder


@pytest.fixture
def evaluate(data: Path, tmp_path: Path) -> Callable[..., Path]:
    def run(**ids: Any) -> Path:
        out = tmp_path / "run"
        settings = {"dataset_dir": str(data), "output_dir": str(out), **UNTRAINED}
        run_bundle(BRAST, "train", "evaluate", **{**settings, **ids})
        return out

    return run


@pytest.fixture
def infer(tmp_path: Path) -> Callable[..., Path]:
    def run(folder: Path, **ids: Any) -> Path:
        out = tmp_path / "out"
        settings = {"dataset_dir": str(folder), "output_dir": str(out), **UNTRAINED}
        run_bundle(BRAST, "inference", workflow_type="inference", **{**settings, **ids})
        return out

    return run


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_average_precision_is_an_option(evaluate: Callable[..., Path], data: Path) -> None:
    out = evaluate(coco_ap=True, paper_protocol=True)
    metrics = read(out / "metrics.json")
    assert metrics["coco_ap"]["AR100"] == metrics["coco_ap"]["classes"]["car"]  # one instance
    assert metrics["coco_ap"]["classes"]["bicycle"] is None
    (entry,) = read(out / "coco_results.json")
    assert (entry["image_id"], entry["category_id"], entry["score"]) == (7, 3, QUALITY)
    truth = read(out / "coco_truth.json")
    original = read(data / "annotations" / "instances_val2017.json")
    assert truth["categories"] == original["categories"]
    keys = ("id", "image_id", "category_id", "iscrowd")
    assert [[a[k] for k in keys] for a in truth["annotations"]] == [
        [a[k] for k in keys] for a in original["annotations"]
    ]
    with pytest.raises(CobotError, match="holds an evaluation"):
        evaluate(coco_ap=True)
    evaluate(overwrite=True)  # and without
    assert not (out / "coco_results.json").exists()
    assert "coco_ap" not in read(out / "metrics.json")


def test_a_refusal_leaves_the_earlier_report(evaluate: Callable[..., Path]) -> None:
    out = evaluate()
    before = (out / "metrics.csv").read_bytes()
    with pytest.raises(CobotError, match="paper_protocol: of pictures it is of exact boxes"):
        evaluate(
            paper_protocol=True, overwrite=True, eval_box_jitter={"mode": "outward", "size": 9}
        )
    assert (out / "metrics.csv").read_bytes() == before


def detections(folder: Path, *entries: tuple[Any, int, list[float], float]) -> str:
    path = folder / "detections.json"
    keys = ("image_id", "category_id", "bbox", "score")
    path.write_text(json.dumps([dict(zip(keys, entry, strict=True)) for entry in entries]))
    return str(path)


def test_from_detections_to_results(data: Path, tmp_path: Path, infer: Callable[..., Path]) -> None:
    file = detections(
        tmp_path,
        (7, 3, [10, 10, 20, 20], 0.5),
        (12, 1, [50, 30, 30, 30], 0.75),  # reaches outside
        (12, 1, [0, 0, 9, 9], 0.1),
    )
    out = infer(data, prompts_file=file, min_score=0.2)
    found = read(out / "coco_results.json")
    assert [(e["image_id"], e["category_id"], e["score"], e["quality"]) for e in found] == [
        (7, 3, 0.5, QUALITY), (12, 1, 0.75, QUALITY),
    ]  # fmt: skip
    for entry, name, label in zip(found, (7, 12), (3, 1), strict=True):
        painted = np.asarray(Image.open(out / f"{name:012d}_seg.png"))
        mask = coco_mask.decode(entry["segmentation"])
        np.testing.assert_array_equal(painted, mask * label)
    names = {path.stem for path in (out / "overlays").iterdir()}
    assert names == {f"{number:012d}" for number in (3, 4, 5, 7, 12)}
    with pytest.raises(CobotError, match="exists: set overwrite: true"):
        infer(data, prompts_file=file)


def test_a_plain_folder_by_names_and_by_a_list(
    data: Path, tmp_path: Path, infer: Callable[..., Path]
) -> None:
    """By file names a category is the label of the spec; a list has ids of its own."""
    folder = data / "val2017"
    file = detections(tmp_path, ("12", 3, [10, 10, 20, 20], 0.5))
    out = infer(folder, prompts_file=file, overlays=False)
    assert [(e["image_id"], e["category_id"]) for e in read(out / "coco_results.json")] == [(12, 3)]
    assert not (out / "overlays").exists()
    listed = {
        "images": [{"id": 1, "file_name": "000000000012.jpg"},
                   {"id": 2, "file_name": "000000000007.jpg"}],
        "categories": [{"id": 90, "name": "car"}],
    }  # fmt: skip
    (tmp_path / "list.json").write_text(json.dumps(listed))
    file = detections(tmp_path, (2, 90, [10, 10, 20, 20], 0.5))
    options = {"prompts_file": file, "image_list": str(tmp_path / "list.json"), "overwrite": True}
    out = infer(folder, overlays=False, **options)
    assert [(e["image_id"], e["category_id"]) for e in read(out / "coco_results.json")] == [(2, 90)]
    assert np.asarray(Image.open(out / "000000000012_seg.png")).max() == 0
    listed["images"].pop()
    (tmp_path / "list.json").write_text(json.dumps(listed))
    with pytest.raises(CobotError, match=r"does not name .*000000000007\.jpg \(1 of 2 pictures\)"):
        infer(folder, **options)


def test_results_files_are_not_replaced(
    data: Path, tmp_path: Path, infer: Callable[..., Path]
) -> None:
    file = detections(tmp_path, (7, 3, [10, 10, 20, 20], 0.5))
    for name in ("coco_results.json", "000000000007_seg.png", "overlays/000000000012.png"):
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        with pytest.raises(CobotError, match=rf"{name} exists: set overwrite: true"):
            infer(data, prompts_file=file)
        assert path.read_text() == "mine"
        path.unlink()


def test_min_score_is_of_detections(data: Path, infer: Callable[..., Path]) -> None:
    with pytest.raises(CobotError, match=r"min_score=0.5 is of detections"):
        infer(data, min_score=0.5)


def test_ids_that_two_lists_share_are_not_used(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec, path = datasets.get("COCO"), data / "annotations" / "instances_train2017.json"
    ids = coco_ids(spec.find_cases(data), spec)
    assert ids.images["000000000012"] == 12
    assert ids.categories == {"person": 1, "bicycle": 2, "car": 3}
    content = json.loads(path.read_text().replace('"id": 3, "file_name"', '"id": 7, "file_name"'))
    content["annotations"] = []
    path.write_text(json.dumps(content))
    ids = coco_ids(spec.find_cases(data), spec)
    assert "give an image id twice" in caplog.text
    assert ids.images["000000000003"] == 3  # of the file's name
    assert ids.categories == {"person": 1, "bicycle": 2, "car": 3}
    content["categories"][1]["id"] = 4
    path.write_text(json.dumps(content))
    assert coco_ids(spec.find_cases(data), spec).categories == spec.labels
    assert "number the categories differently" in caplog.text
