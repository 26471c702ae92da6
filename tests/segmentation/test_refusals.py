"""What is wrong for all cases is refused before any work, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from monai_cobot.errors import CobotError
from monai_cobot.segmentation import BundleInference, Output, find_sources
from tests.bundle.conftest import ADOME, BRAST
from tests.dicom.series import random_scan
from tests.segmentation.conftest import make_scan, run, write_boxes, write_nifti


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_nifti(make_scan(), tmp_path / "images" / "case.nii.gz")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"no truth lies beside case: give the boxes .* \(--prompts FILE\)"),
        ({"bundle": "/nowhere"}, "/nowhere is no bundle, it has no configs/inference.yaml"),
        ({"adapter": None}, r"adome_.* has no adapter of its own .*--adapter FILE"),
        ({"adapter": Path("/nowhere/a")}, "no adapter file at /nowhere/a: train first"),
        ({"prompts_file": "/nowhere/p.json"}, "cannot read prompts_file /nowhere/p.json"),
        ({"series": "1.2.3"}, "--series is for a folder of DICOM files"),
        ({"overwrite": True, "skip_existing": True}, "exclude each other"),
    ],
)
def test_bad_values(
    image: Path, adapter: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(CobotError, match=message):
        run(image, tmp_path / "out", **{"adapter": adapter, **settings})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("cases", "organ", "message"),
    [
        (["case", "other"], "", r"b\.json names case 'other', which is not among the images"),
        (["case"], "lung", r"b\.json: case case, box 0: unknown organ 'lung'"),
    ],
)
def test_boxes_for_nothing(
    image: Path, adapter: Path, tmp_path: Path, cases: list[str], organ: str, message: str
) -> None:
    boxes = write_boxes(tmp_path / "b.json", *cases, organ=organ)
    with pytest.raises(CobotError, match=message):
        run(image, tmp_path / "out", adapter, prompts_file=boxes)
    boxes.write_text(json.dumps({"cases": {}}))
    with pytest.raises(CobotError, match=r"b\.json has schema None"):
        run(image, tmp_path / "out", adapter, prompts_file=boxes)
    assert not (tmp_path / "out").exists()


def test_inputs_that_hold_nothing(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "a.png").write_text("picture")
    out = tmp_path / "out"
    for source, message in (
        (tmp_path / "gone", "gone does not exist: check INPUT"),
        (tmp_path / "empty", r"no image in .*empty: expected .*\. DICOM: give the folder"),
        (tmp_path / "a.png", r"a\.png is no NIfTI file .*convert it, or give the folder"),
    ):
        with pytest.raises(CobotError, match=message):
            run(source, out, adapter)
    assert not out.exists()


def test_output_that_is_no_place(image: Path, adapter: Path, tmp_path: Path) -> None:
    boxes = write_boxes(tmp_path / "b.json", "case")
    for output, message in (
        (image.parent, "OUTPUT is INPUT"),
        (tmp_path / "seg.nii.gz", "is called like a file: give a folder"),
        (boxes, r"OUTPUT .*b\.json is a file: give a folder"),
        (Path("/proc/nowhere"), "OUTPUT /proc/nowhere cannot be made"),
    ):
        with pytest.raises(CobotError, match=message):
            run(image.parent, output, adapter, prompts_file=boxes)
    assert [path.name for path in image.parent.iterdir()] == ["case.nii.gz"]


def test_several_series_and_a_choice(adapter: Path, tmp_path: Path) -> None:
    scan, scout = make_scan(description="PORTAL"), random_scan(description="SCOUT")
    scan.write(tmp_path / "scan", ending=".a")
    scout.write(tmp_path / "scan", ending=".b")
    out, boxes = tmp_path / "out", write_boxes(tmp_path / "b.json", "scan")
    with pytest.raises(CobotError, match=r"(?s)holds 2 series: choose one.*PORTAL.*SCOUT"):
        run(tmp_path / "scan", out, adapter, prompts_file=boxes)
    assert not out.exists()
    summary = run(tmp_path / "scan", out, adapter, prompts_file=boxes, series=scan.uid)
    assert summary.named("done") == ["scan"]


def test_another_modality_and_mixed_kinds(adapter: Path, image: Path, tmp_path: Path) -> None:
    make_scan(modality="MR").write(tmp_path / "mr")
    with pytest.raises(CobotError, match=r"MR, 12 images, ABDOMEN is no CT"):
        run(tmp_path / "mr", tmp_path / "out", adapter)
    make_scan().write(image.parent)
    with pytest.raises(CobotError, match="holds both NIfTI and DICOM files"):
        run(image.parent, tmp_path / "out", adapter)


def test_bundles_that_are_not_for_volumes(tmp_path: Path) -> None:
    with pytest.raises(
        CobotError, match=r"segmentation segments pictures, and this command volumes"
    ):
        BundleInference(BRAST)
    config = shutil.copytree(ADOME, tmp_path / "other") / "configs" / "inference.yaml"
    text = config.read_text()
    config.write_text(re.sub(r"\bspec\b", "other", text))
    with pytest.raises(CobotError, match=r"inference\.yaml has no spec"):
        BundleInference(tmp_path / "other")
    sharp = shutil.copytree(ADOME, tmp_path / "a#b")
    with pytest.raises(CobotError, match="MONAI gives # a meaning of its own"):
        BundleInference(sharp)


def test_a_summary_of_something_else_is_left_alone(
    image: Path, adapter: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.json").write_text('{"mine": 1}')
    boxes = write_boxes(tmp_path / "b.json", "case")
    with pytest.raises(CobotError, match=r"summary\.json is no summary of this command"):
        run(image, out, adapter, prompts_file=boxes, skip_existing=True)
    assert (out / "summary.json").read_text() == '{"mine": 1}'


def test_the_folder_itself_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.` has the name of the folder; a series comes before folders beside it."""
    make_scan().write(tmp_path / "scan")
    make_scan().write(tmp_path / "scan" / "deeper")
    monkeypatch.chdir(tmp_path / "scan")
    spec = BundleInference(ADOME).spec
    assert [source.case for source in find_sources(".", spec)] == ["scan"]
    assert [source.case for source in find_sources("..", spec)] == ["scan"]
    assert Output.of("~/x").folder.is_absolute()
