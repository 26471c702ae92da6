"""Each medical bundle from its data to its scores, with both kinds of prompts, on small data."""

from __future__ import annotations

import json
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_cobot.data import datasets
from monai_cobot.metrics import Row, read_csv
from tests.bundle.conftest import BRAST, FAST, MEDICAL, code_of, infer_with, run_bundle
from tests.bundle.small_data import small_data

# The Dice is a ratio of integers on both sides.
EXACT = 1e-12
# Inference merges the adapter into SAM's weights: logits differ in their last digits, and a pixel
# whose logit is 0 but for those may change. The random SAM has many of them.
MERGED = 1e-3


def truth_of(bundle: Path, data: Path, case: str) -> np.ndarray:
    """The label map of a case, read from its file without the package."""
    if bundle == BRAST:
        return (np.asarray(Image.open(data / "malignant" / f"{case}_mask.png")) > 0).astype(int)
    folders = {"ADOME": "labels", "SEGRAP": None}
    folder = folders.get(code_of(bundle), "labelsTr")
    name = case.removesuffix("_contrast")
    file = data / name / "GTVnx.nii.gz" if folder is None else data / folder / f"{name}.nii.gz"
    return np.asarray(nib.load(file).dataobj).astype(int)


def answer_of(run: Path, row: Row) -> np.ndarray:
    folder = run / ("predictions" if row.prompts == "box" else "predictions_organ")
    file = next(folder.glob(f"{row.case}_seg.*"))
    return voxels(file)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum()) if a.any() or b.any() else math.nan


def same(found: float, expected: float) -> bool:
    both_nan = math.isnan(found) and math.isnan(expected)
    return both_nan or math.isclose(found, expected, abs_tol=EXACT)


@pytest.mark.parametrize("bundle", MEDICAL, ids=code_of)
def test_from_data_to_scores(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another working directory; every score again from the files."""
    data, run = small_data(bundle, tmp_path), tmp_path / "run"
    monkeypatch.chdir("/")
    # The random SAM's quality says nothing: no organ is taken as absent.
    monkeypatch.setattr("monai_cobot.sam.organ_prompts.ABSENT_BELOW", -math.inf)
    ids = {"dataset_dir": str(data), "output_dir": str(run), "epochs": 1, **FAST}
    ids |= {"prompts": "both", "lr": 1e-6}  # the random masks of the random SAM stay
    run_bundle(bundle, "train", **ids)
    run_bundle(bundle, "train", "evaluate", **ids)
    rows = read_csv(run / "metrics.csv")
    split = json.loads((run / "split.json").read_text())
    labels = datasets.get(code_of(bundle)).labels
    assert {row.case for row in rows} == set(split["test"])
    assert {(row.method, row.prompts) for row in rows} == {
        ("lora", "box"), ("filled_box", "box"), ("ellipse", "box"), ("lora", "organ"),
    }  # fmt: skip
    own = [row for row in rows if row.method == "lora"]
    assert len(own) == 2 * len(labels) * len(split["test"])
    for row in own:
        truth = truth_of(bundle, data, row.case) == labels[row.organ]
        answer = answer_of(run, row) == labels[row.organ]
        assert same(row.dice, dice(truth, answer)), row
        assert (row.true_voxels, row.predicted_voxels) == (truth.sum(), answer.sum())
        if bundle != BRAST and row.prompts == "organ":
            check_slices(row, truth, answer, data, bundle)
    assert any(row.predicted_voxels for row in own if row.prompts == "organ")
    assert {row.box_jitter for row in own if row.prompts == "organ"} == {""}
    out = tmp_path / "inferred"
    infer_with(bundle, data, run, out)
    for row in own:  # without boxes: the organ prompts' answers
        if row.prompts == "organ":
            (file,) = out.glob(f"{row.case}_seg.*")
            (evaluated,) = (run / "predictions_organ").glob(f"{row.case}_seg.*")
            first, second = (voxels(path) for path in (file, evaluated))
            assert (first != second).mean() <= MERGED


def voxels(file: Path) -> np.ndarray:
    """The label map of a file."""
    if file.suffix == ".png":
        return np.asarray(Image.open(file)).astype(int)
    return np.asarray(nib.load(file).dataobj).astype(int)


def check_slices(row: Row, truth: np.ndarray, answer: np.ndarray, data: Path, bundle: Path) -> None:
    """Dice on slices with the organ, and ml on those without; axial slices are the last axis."""
    name = row.case.removesuffix("_contrast")
    file = next(path for path in data.rglob("*.nii.gz") if name in str(path))
    volume = abs(np.linalg.det(nib.load(file).affine[:3, :3])) / 1000
    present = truth.any(axis=(0, 1))
    assert same(row.dice_present_slices, dice(truth[..., present], answer[..., present]) if
                present.any() else math.nan)  # fmt: skip
    outside = answer[..., ~present].sum() * volume
    assert math.isclose(row.false_ml_absent_slices, outside, rel_tol=1e-5, abs_tol=1e-9)
