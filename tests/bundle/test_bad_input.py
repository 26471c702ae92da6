"""Every bad input is refused by name, before training starts, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_cobot.bundle.settings import check_ids
from monai_cobot.errors import CobotError
from tests.bundle.conftest import ADOME, Run

Spoil = Callable[[Path], None]


def image_of(data: Path) -> Path:
    return data / "images" / "phantom_0002_0000.nii.gz"


def label_of(data: Path) -> Path:
    return data / "labels" / "phantom_0002.nii.gz"


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], **header: Any) -> None:
    image = nib.load(path)
    voxels = change(np.asarray(image.dataobj))
    nib.save(nib.Nifti1Image(voxels, header.get("affine", image.affine)), path)


def truncate(data: Path) -> None:
    content = image_of(data).read_bytes()
    image_of(data).write_bytes(content[: len(content) // 2])


def not_nifti(data: Path) -> None:
    image_of(data).write_bytes(gzip.compress(b"this is no image"))


def other_shape(data: Path) -> None:
    rewrite(label_of(data), lambda voxels: voxels[:-1])


def other_affine(data: Path) -> None:
    affine = nib.load(label_of(data)).affine.copy()
    affine[0, 3] += 7
    rewrite(label_of(data), lambda voxels: voxels, affine=affine)


def unknown_label(data: Path) -> None:
    def change(voxels: np.ndarray) -> np.ndarray:
        voxels = voxels.copy()
        voxels[3, 3, 3] = 99
        return voxels

    rewrite(label_of(data), change)


def not_finite(data: Path) -> None:
    def change(voxels: np.ndarray) -> np.ndarray:
        voxels = voxels.astype(np.float32)
        voxels[3, 3, 3] = np.nan
        return voxels

    rewrite(image_of(data), change)


def empty_label(data: Path) -> None:
    rewrite(label_of(data), np.zeros_like)


def label_missing(data: Path) -> None:
    label_of(data).unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncate, r"phantom_0002_0000\.nii\.gz is not readable .*truncated.*copy it again"),
        (not_nifti, r"phantom_0002_0000\.nii\.gz is not readable as NIfTI.*copy it again"),
        (other_shape, r"phantom_0002\.nii\.gz has shape .*: export the label on the image's grid"),
        (other_affine, r"phantom_0002\.nii\.gz has another affine .*resample the label"),
        (unknown_label, r"phantom_0002\.nii\.gz has labels \[99\] outside .*renumber or remove"),
        (not_finite, r"phantom_0002_0000\.nii\.gz has NaN or infinite voxels: replace them"),
        (empty_label, r"phantom_0002\.nii\.gz is an empty label.*remove the case"),
        (label_missing, r"phantom_0002 has its image but no label.*add the label or remove"),
    ],
)
def test_broken_files(cohort: Path, train: Run, tmp_path: Path, spoil: Spoil, message: str) -> None:
    data = shutil.copytree(cohort, tmp_path / "data")
    spoil(data)
    with pytest.raises(CobotError, match=f"(?s){message}"):
        train(tmp_path / "run", dataset_dir=str(data))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"dataset_dir": ""}, "dataset_dir is not set"),
        ({"dataset_dir": "/nowhere/at/all"}, "/nowhere/at/all is no folder: give dataset_dir"),
        ({"method": "lorra"}, r"unknown method 'lorra'.*lora"),
        ({"method": "lightweight"}, "'lightweight' cannot be orchestrated: it tunes nothing"),
        ({"method": "freeze", "orchestrate": "false"}, "'freeze' trains nothing"),
        ({"method_options": {"rank": 6}}, "V=6 is not divisible by N=4"),
        ({"method_options": {"ranks": 8}}, "ranks"),
        ({"sam": "vit_z"}, "unknown SAM size 'vit_z'"),
        ({"sam": "vit_b", "sam_checkpoint": None}, "monai-cobot fetch-sam vit_b"),
        ({"sam_checkpoint": "/nowhere/sam.pth"}, "no SAM checkpoint at /nowhere/sam.pth"),
        ({"image_size": 100}, "image_size=100 is not a multiple of the patch size 16"),
        ({"box_jitter": {"mode": "sideways", "size": 3}}, "'sideways': choose one of outward"),
        ({"box_jitter": {"mode": "outward", "size": -3}}, "-3"),
        ({"eval_box_jitter": 7}, "box jitter 7 is not understood"),
        ({"lr": -1.0}, "lr=-1.0 is not a positive number"),
        ({"lr": "1e-4"}, "lr='1e-4' is not a positive number"),
        ({"orchestration_lr": 0}, "orchestration_lr=0 is not a positive number"),
        ({"orchestrate": "perhaps"}, "orchestrate='perhaps': choose true or false"),
        ({"overwrite": "perhaps"}, "overwrite='perhaps': choose true or false"),
        ({"resume": "sometimes"}, "resume='sometimes': choose auto or never"),
        ({"split_by": "voxel"}, "'voxel': choose one of patient, slice"),
        ({"folds": 1}, "folds=1: give a whole number of at least 2"),
        ({"folds": "null"}, "folds='null': give a whole number of at least 2"),
        ({"folds": 5, "fold": 5}, "fold=5 of folds=5: give a fold from 0 to 4"),
        ({"folds": 5, "fold": -1}, "fold=-1: give a whole number of at least 0"),
        ({"fold": 1}, "fold=1 without folds"),
        ({"folds": 5}, "5 folds need 5 patients, found 4"),
        ({"folds": 2, "split_by": "slice"}, "folds are drawn by patient"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"slice_batch": 0}, "slice_batch=0: give a whole number of at least 1"),
        ({"memory": ["8gb"]}, r"memory=\['8gb'\]: choose one of 8gb, or null"),
        ({"memory": "16gb"}, "memory='16gb': choose one of 8gb, or null"),
        ({"seed": -1}, "seed=-1: give a whole number of at least 0"),
        ({"seed": "abc"}, "seed='abc'"),
        ({"num_workers": -1}, "num_workers=-1"),
        ({"weight_decay": -1}, "weight_decay=-1"),
        ({"image_size": 256.7}, "image_size=256.7"),
        ({"split_file": "/tmp"}, "split_file /tmp is a folder"),
        ({"split_file": "/proc/nope/split.json"}, "/proc/nope/split.json cannot be written"),
        ({"method_options": 8}, "method_options=8 is no mapping"),
        ({"val_interval": 2}, "val_interval=2 is more than epochs=1"),
        ({"epochs": 0}, "epochs=0: give a whole number of at least 1"),
        ({"checkpoint_interval": 0}, "checkpoint_interval=0"),
    ],
)
def test_bad_values(train: Run, tmp_path: Path, ids: dict[str, Any], message: str) -> None:
    with pytest.raises(CobotError, match=message):
        train(tmp_path / "run", **ids)
    assert not (tmp_path / "run").exists()


def test_checkpoint_of_another_size_and_no_checkpoint(train: Run, tmp_path: Path) -> None:
    torch.save(
        {"image_encoder.patch_embed.proj.weight": torch.zeros(768, 3, 16, 16)}, tmp_path / "b.pth"
    )
    with pytest.raises(CobotError, match=r"b\.pth does not fit sam: small"):
        train(tmp_path / "run", sam_checkpoint=str(tmp_path / "b.pth"))
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(CobotError, match=r"text\.pth is not a checkpoint"):
        train(tmp_path / "run", sam_checkpoint=str(tmp_path / "text.pth"))
    assert not (tmp_path / "run").exists()


def test_patient_on_two_sides(cohort: Path, train: Run, tmp_path: Path) -> None:
    names = [f"phantom_{number:04d}" for number in range(1, 5)]
    split = {
        "training": names[:2],
        "validation": [names[2]],
        "test": [names[3]],
        "patients": dict.fromkeys(names, "the same"),
    }
    (tmp_path / "split.json").write_text(json.dumps(split))
    with pytest.raises(CobotError, match=r"split\.json: split: patient the same is in training"):
        train(tmp_path / "run", split_file=str(tmp_path / "split.json"))
    assert not (tmp_path / "run").exists()


def test_evaluation_and_inference(
    cohort: Path, train: Run, evaluate: Run, infer: Run, tmp_path: Path
) -> None:
    with pytest.raises(CobotError, match=r"no adapter at .* train first"):
        evaluate(tmp_path / "gone")
    with pytest.raises(CobotError, match=r"no adapter file at .*adapter\.safetensors"):
        infer(cohort, tmp_path / "out")
    train(tmp_path / "run", method="lightweight", orchestrate=False)
    with pytest.raises(CobotError, match=r"method 'lightweight' \(file\) and 'lora' \(here\)"):
        evaluate(tmp_path / "run")
    same = {"method": "lightweight", "orchestrate": "false"}
    other = tmp_path / "other_split.json"
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    split["training"], split["test"] = split["test"], split["training"]
    del split["hash"]
    other.write_text(json.dumps(split))
    with pytest.raises(CobotError, match=r"was trained on another split .*give the split_file"):
        evaluate(tmp_path / "run", split_file=str(other), **same)
    evaluate(tmp_path / "run", **same)
    written = (tmp_path / "run" / "metrics.csv").read_bytes()
    with pytest.raises(CobotError, match=r"holds an evaluation .* set overwrite: true"):
        evaluate(tmp_path / "run", **same)
    evaluate(tmp_path / "run", overwrite="true", **same)
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == written
    checkpoint = str(tmp_path / "run" / "checkpoints" / "adapter_last.safetensors")
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(image_of(cohort), images / "new.nii.gz")
    with pytest.raises(CobotError, match="no truth lies beside new: give the boxes"):
        infer(images, tmp_path / "out", checkpoint=checkpoint)
    prompts = {"schema": "monai_cobot/prompts/1", "frame": "source", "units": "voxel edges"}
    (tmp_path / "boxes.json").write_text(
        json.dumps({**prompts, "cases": {"old": {"boxes": [
            {"organ": "liver", "slice": 3, "box": [1, 1, 9, 9]}]}}})
    )  # fmt: skip
    with pytest.raises(CobotError, match=r"names case 'old', which is not among the images"):
        infer(
            images, tmp_path / "out", checkpoint=checkpoint,
            prompts_file=str(tmp_path / "boxes.json"),
        )  # fmt: skip
    outside = {"organ": "liver", "slice": 3, "box": [1, 1, 999, 9]}
    (tmp_path / "boxes.json").write_text(
        json.dumps({**prompts, "cases": {"new": {"boxes": [outside]}}})
    )
    with pytest.raises(CobotError, match=r"case new, box 0: box .* is empty or reaches outside"):
        infer(
            images, tmp_path / "out", checkpoint=checkpoint,
            prompts_file=str(tmp_path / "boxes.json"),
        )  # fmt: skip
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CobotError, match=r"output_dir .*file is a file: choose a folder"):
        infer(cohort, tmp_path / "file", checkpoint=checkpoint)
    with pytest.raises(CobotError, match=r"output_dir .*file is a file: choose a folder"):
        evaluate(tmp_path / "file", checkpoint="none")
    with pytest.raises(CobotError, match=r"output_dir .*file is a file: choose a folder"):
        train(tmp_path / "file")


def test_split_without_a_test_part(cohort: Path, train: Run, evaluate: Run, tmp_path: Path) -> None:
    names = [f"phantom_{number:04d}" for number in range(1, 5)]
    split = {"training": names, "validation": [], "test": []}
    (tmp_path / "split.json").write_text(json.dumps(split))
    train(tmp_path / "run", split_file=str(tmp_path / "split.json"))
    with pytest.raises(CobotError, match="the split has no test part"):
        evaluate(tmp_path / "run", split_file=str(tmp_path / "split.json"))
    assert not (tmp_path / "run" / "metrics.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lrr", "3"], r"unknown id --lrr: did you mean --lr\?"),
        (["--box_jitters#size=3"], "unknown id --box_jitters: did you mean --box_jitter"),
        (["--colour", "red"], "unknown id --colour"),
    ],
)
def test_unknown_ids_of_the_command_line(arguments: list[str], message: str) -> None:
    """MONAI would take them without a word."""
    config = str(ADOME / "configs" / "train.yaml")
    both = f"['{config}','{ADOME / 'configs' / 'evaluate.yaml'}']"
    check_ids(["run", "--config_file", config, "--lr", "1", "--box_jitter#size", "3"])
    check_ids(["run", f"--config_file={both}", "--checkpoint", "none", "--run_id", "run"])
    with pytest.raises(CobotError, match=message):
        check_ids(["run", "--config_file", config, *arguments])


def test_the_command_prints_one_line(tmp_path: Path) -> None:
    """From another working directory, as a user types it."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "monai.bundle", "run"),
            *("--config_file", str(ADOME / "configs" / "train.yaml")),
            *("--dataset_dir", str(tmp_path / "gone"), "--sam", "small"),
            *("--output_dir", str(tmp_path / "run")),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 1
    assert result.stderr.rstrip().splitlines()[-1].startswith("error: ")
    assert str(tmp_path / "gone") in result.stderr.rstrip().splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []
