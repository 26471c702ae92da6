"""The lines of the documents for a dataset of one's own, run as they stand there."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_cobot.errors import CobotError
from monai_cobot.sam import read_manifest
from tests.bundle.conftest import Run
from tests.conftest import REPOSITORY

DOCUMENTS = [
    name
    for name in ("README.md", "docs/own_data.md")
    if "--organ_table" in (REPOSITORY / name).read_text()
]
ORGANS = {"liver": 1, "tumour": 2}


def lines_of(document: str) -> str:
    """The first fenced or indented block of a document that trains with an organ table."""
    text = (REPOSITORY / document).read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S)
    blocks += [
        re.sub("^    ", "", b, flags=re.M) for b in re.findall(r"(?:^    .*\n)+", text, re.M)
    ]
    return next(block for block in blocks if "--organ_table" in block and "train.yaml" in block)


def own_data(folder: Path) -> Path:
    """Two patients: a bright cube, the liver, and a dark one beside it, the tumour."""
    (folder / "data").mkdir(parents=True)
    for number, name in enumerate("ab"):
        voxels = np.random.default_rng(number).normal(-60, 10, (48, 48, 6)).astype(np.int16)
        label = np.zeros(voxels.shape, np.uint8)
        label[8:30, 10 + number : 34, 1:5], label[32:42, 20:30, 2:4] = 1, 2
        voxels += np.array([0, 180, -80], np.int16)[label]
        affine = np.diag([-1.5, -1.5, 4.0, 1.0])
        nib.save(nib.Nifti1Image(voxels, affine), folder / "data" / f"{name}_ct.nii.gz")
        nib.save(nib.Nifti1Image(label, affine), folder / "data" / f"{name}_organs.nii.gz")
    (folder / "bundles").symlink_to(REPOSITORY / "bundles")
    return folder


def shell(command: str, folder: Path) -> None:
    """Run lines in a folder that looks like the repository, with this Python and this package."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the lines of docs/own_data.md have been run."""
    folder = own_data(tmp_path_factory.mktemp("own"))
    shell(lines_of("docs/own_data.md"), folder)
    return folder


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_lines_are_ten_at_most_and_the_same_everywhere(document: str) -> None:
    lines = lines_of(document)
    assert len(lines.splitlines()) <= 10
    assert lines == lines_of("docs/own_data.md")


def test_the_lines_train_and_score_the_tables_organs(followed: Path) -> None:
    with (followed / "run" / "metrics.csv").open(newline="") as file:
        own = [row for row in csv.DictReader(file) if row["method"] == "lora"]
    assert [(row["prompts"], row["organ"]) for row in own] == [
        (prompts, organ) for prompts in ("box", "organ") for organ in ORGANS
    ]
    rows = [row for row in own if row["prompts"] == "box"]
    (case,) = {row["case"] for row in rows}
    truth = np.asarray(nib.load(followed / "data" / f"{case}.nii.gz").dataobj)
    for row in rows:
        assert int(row["true_voxels"]) == (truth == ORGANS[row["organ"]]).sum()
        # The organs are cubes and the boxes tight: a network that sees them fills most of the box.
        assert float(row["dice"]) > 0.7
    manifest = read_manifest(followed / "run" / "checkpoints" / "adapter_last.safetensors")
    assert (manifest["organs"], manifest["dataset"]) == (ORGANS, "ORGANS")


def test_inference_follows_the_table(followed: Path, infer: Run, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.nii.gz").symlink_to(followed / "data" / "a_ct.nii.gz")
    box = '{"organ": "tumour", "slice": 2, "box": [32, 20, 42, 30]}'
    (tmp_path / "boxes.json").write_text(
        '{"schema": "monai_cobot/prompts/1", "frame": "source", "units": "voxel edges", '
        '"cases": {"a": {"boxes": [' + box + "]}}}"
    )
    ids = {
        "prompts_file": str(tmp_path / "boxes.json"),
        "checkpoint": str(followed / "run" / "checkpoints" / "adapter_last.safetensors"),
    }
    with pytest.raises(CobotError, match=r"unknown organ 'tumour'|was trained with organs"):
        infer(images, tmp_path / "out", **ids)
    infer(images, tmp_path / "out", organ_table=str(followed / "data" / "organs.json"), **ids)
    found = np.asarray(nib.load(tmp_path / "out" / "a_seg.nii.gz").dataobj)
    assert set(np.unique(found)) == {0, 2}
    assert np.unique(np.nonzero(found)[2]).tolist() == [2]


@pytest.mark.parametrize("other", ["organs", "preprocessing"])
def test_another_table_is_not_evaluated(
    followed: Path, evaluate: Run, tmp_path: Path, other: str
) -> None:
    """Else label 1 would be scored as another dataset's organ, or seen in another window."""
    table = {"modality": "CT", "window": [-160, 240], "organs": {**ORGANS}}
    table |= {"organs": {"spleen": 1}} if other == "organs" else {"window": [-100, 300]}
    (tmp_path / "table.json").write_text(json.dumps(table))
    with pytest.raises(CobotError, match=rf"was trained with {other} .*or the organ_table"):
        evaluate(
            tmp_path / "run",
            dataset_dir=str(followed / "data" / "datalist.json"),
            organ_table=str(tmp_path / "table.json"),
            split_file=str(followed / "run" / "split.json"),
            checkpoint=str(followed / "run" / "checkpoints" / "adapter_last.safetensors"),
            sam_checkpoint=None,
            image_size=None,
            prompts="both",
        )
