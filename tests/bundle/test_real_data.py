"""Every medical bundle on the real subsets: train, evaluate, infer, with both kinds of prompts."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.bundle.conftest import BRAST, FAST, MEDICAL, MOMO, code_of, infer_with, run_bundle
from tests.bundle.test_run import rows_of


@pytest.mark.parametrize("bundle", MEDICAL, ids=code_of)
def test_real_data_train_evaluate_infer(real_data: Path, tmp_path: Path, bundle: Path) -> None:
    """The subsets as they are distributed, with the small SAM and both kinds of prompts."""
    code = code_of(bundle)
    data = real_data / code
    if bundle == MOMO:  # its volumes are whole: two slabs will do
        data = slabs(data, tmp_path / "data", ["la_003", "la_009"])
    if bundle == BRAST:
        data = some_pictures(data, tmp_path / "data", 12)
    ids = {"dataset_dir": str(data), "output_dir": str(tmp_path / "run"), "epochs": 1, **FAST}
    del ids["sam_checkpoint"], ids["image_size"]
    ids |= {"prompts": "both", "image_size": 128}
    run_bundle(bundle, "train", **ids)
    run_bundle(bundle, "train", "evaluate", **ids)
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    for side in (set(split["training"]), set(split["test"])):  # one patient, two scans
        assert ("ts_ct3mm" in side) == ("ts_ct3mm_sm" in side) or code != "ADOME"
    rows = rows_of(tmp_path / "run")
    assert {row["case"] for row in rows} == set(split["test"])
    assert {row["prompts"] for row in rows} == {"box", "organ"}
    assert all(row["dice"] == "" or 0 <= float(row["dice"]) <= 1 for row in rows)
    infer_with(bundle, data, tmp_path / "run", tmp_path / "inferred")
    assert list((tmp_path / "inferred").glob("*_seg.*"))


def slabs(source: Path, target: Path, cases: list[str]) -> Path:
    """Copies of cases in the decathlon's layout, eight slices in the middle of the target."""
    for case in cases:
        label = nib.load(source / "labelsTr" / f"{case}.nii.gz")
        z = int(np.flatnonzero(np.asarray(label.dataobj).any(axis=(0, 1))).mean())
        for folder in ("imagesTr", "labelsTr"):
            (target / folder).mkdir(parents=True, exist_ok=True)
            volume = nib.load(source / folder / f"{case}.nii.gz")
            nib.save(volume.slicer[:, :, z - 4 : z + 4], target / folder / f"{case}.nii.gz")
    return target


def some_pictures(source: Path, target: Path, count: int) -> Path:
    """Links to the first pictures with their masks."""
    target.mkdir()
    masks = sorted(source.rglob("*_mask.png"))[:count]
    for mask in masks:
        for file in (mask, mask.with_name(mask.name.replace("_mask", ""))):
            (target / file.name).symlink_to(file)
    return target
