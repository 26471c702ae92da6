"""Organ prompts where runs meet: other prompts, replaced runs, slices of a split, pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_cobot.errors import CobotError
from monai_cobot.metrics import read_csv
from tests.bundle.conftest import BRAST, FAST, Run, run_bundle
from tests.data.picture_files import save_picture

SEEN = "monai_cobot.sam.organ_prompts.ABSENT_BELOW"  # below it, an organ is taken as absent


def test_a_run_with_other_prompts_is_told_apart(train: Run, evaluate: Run, tmp_path: Path) -> None:
    train(tmp_path / "run", prompts="both")
    with pytest.raises(CobotError, match="prompts 'both' there and 'box' here"):
        train(tmp_path / "run", prompts="box")
    with pytest.raises(CobotError, match=r"prompts 'both' \(file\) and 'box' \(here\)"):
        evaluate(tmp_path / "run", prompts="box")
    evaluate(tmp_path / "run", prompts="both")
    train(tmp_path / "run", prompts="both", seed=1, overwrite=True)
    assert not (tmp_path / "run" / "predictions_organ").exists()
    evaluate(tmp_path / "run", prompts="both", seed=1)


def test_zero_shot_and_freeze_have_boxes_alone(evaluate: Run, tmp_path: Path) -> None:
    evaluate(tmp_path / "zero", prompts="both", checkpoint="none")
    freeze = {"method": "freeze", "orchestrate": False, "prompts": "both"}
    evaluate(tmp_path / "freeze", **freeze)
    for name in ("zero", "freeze"):
        assert {row.prompts for row in read_csv(tmp_path / name / "metrics.csv")} == {"box"}


def test_organ_prompts_alone(train: Run, evaluate: Run, tmp_path: Path) -> None:
    train(tmp_path / "run", prompts="organ")
    evaluate(tmp_path / "run", prompts="organ")
    rows = read_csv(tmp_path / "run" / "metrics.csv")
    assert {(row.method, row.prompts) for row in rows} == {("lora", "organ")}
    assert list((tmp_path / "run" / "predictions").iterdir())
    assert not (tmp_path / "run" / "predictions_organ").exists()


def test_a_split_by_slice_is_answered_on_its_slices(
    train: Run, evaluate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SEEN, -math.inf)
    ids = {"split_by": "slice", "prompts": "both", "lr": 1e-6}
    train(tmp_path / "run", **ids)
    evaluate(tmp_path / "run", **ids)
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    files = list((tmp_path / "run" / "predictions_organ").iterdir())
    assert files
    for file in files:
        case = file.name.removesuffix("_seg.nii.gz")
        own = {int(entry.rpartition(":")[2]) for entry in split["test"] if entry.startswith(case)}
        answer = np.asarray(nib.as_closest_canonical(nib.load(file)).dataobj)
        assert answer.any()
        assert set(np.flatnonzero(answer.any(axis=(0, 1)))) <= own


@pytest.fixture
def two_classes(tmp_path: Path) -> tuple[Path, Path]:
    """A datalist of pictures with masks of two classes, and its organ table."""
    entries = []
    for number in range(5):
        picture = save_picture(tmp_path / f"p{number}.png", (40, 48), seed=number)
        mask = np.zeros((40, 48), np.uint8)
        mask[5:20, 6:30], mask[22:36, 8:40] = 1, 2
        Image.fromarray(mask).save(tmp_path / f"m{number}.png")
        entries.append({"image": picture.name, "mask": f"m{number}.png"})
    (tmp_path / "list.json").write_text(json.dumps({"training": entries}))
    table = {"modality": "US", "organs": {"cyst": 1, "lesion": 2}}
    (tmp_path / "table.json").write_text(json.dumps(table))
    return tmp_path / "list.json", tmp_path / "table.json"


def test_pictures_of_ones_own(
    two_classes: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is scored of organ prompts is what lies in the label map."""
    monkeypatch.setattr(SEEN, -math.inf)
    datalist, table = two_classes
    ids = {"dataset_dir": str(datalist), "organ_table": str(table), "epochs": 1, **FAST}
    ids |= {"output_dir": str(tmp_path / "run"), "prompts": "both", "lr": 1e-6}
    run_bundle(BRAST, "train", **ids)
    run_bundle(BRAST, "train", "evaluate", **ids)
    rows = [r for r in read_csv(tmp_path / "run" / "metrics.csv") if r.prompts == "organ"]
    assert [row.organ for row in rows] == ["cyst", "lesion"]
    for row, label in zip(rows, (1, 2), strict=True):
        file = tmp_path / "run" / "predictions_organ" / f"{row.case}_seg.png"
        assert row.predicted_voxels == (np.asarray(Image.open(file)) == label).sum()
    assert any(row.predicted_voxels for row in rows)
