"""Inference from a prompts file whose prompts are carried through the volume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from monai_cobot.data import datasets
from monai_cobot.errors import CobotError
from tests.bundle.conftest import Run

LIVER = datasets.get("ADOME").labels["liver"]
# A phantom's liver stands out, and the small SAM follows it (0.8 on bigger phantoms); another
# organ, another frame or the start's slice alone would be far below.
FOLLOWED = 0.5


@pytest.fixture
def images(cohort: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    source = cohort / "images" / "phantom_0001_0000.nii.gz"
    (folder / "a.nii.gz").symlink_to(source)
    return folder


@pytest.fixture
def liver(cohort: Path) -> NDArray[np.bool_]:
    label = np.asarray(nib.load(cohort / "labels" / "phantom_0001.nii.gz").dataobj)
    found: NDArray[np.bool_] = label == LIVER
    return found


def prompts(folder: Path, **entry: Any) -> str:
    document = {"schema": "monai_cobot/prompts/2", "frame": "source", "units": "voxel edges"}
    (folder / "prompts.json").write_text(json.dumps({**document, "cases": {"a": entry}}))
    return str(folder / "prompts.json")


def middle(liver: NDArray[np.bool_]) -> tuple[int, list[int]]:
    """The middle one of the liver's slices, and the box on it."""
    slices = np.flatnonzero(liver.any(axis=(0, 1)))
    k = int(slices[len(slices) // 2])
    i, j = np.nonzero(liver[:, :, k])
    return k, [int(i.min()), int(j.min()), int(i.max()) + 1, int(j.max()) + 1]


def inferred(infer: Run, images: Path, prompts_file: str, out: Path) -> NDArray[np.bool_]:
    untrained = {"checkpoint": "none", "sam": "small", "method": "freeze", "orchestrate": False}
    infer(images, out, prompts_file=prompts_file, **untrained)
    found: NDArray[np.bool_] = np.asarray(nib.load(out / "a_seg.nii.gz").dataobj) == LIVER
    return found


def test_a_box_on_one_slice(
    images: Path, liver: NDArray[np.bool_], infer: Run, tmp_path: Path
) -> None:
    k, box = middle(liver)
    entry = {"organ": "liver", "slice": k, "box": box, "propagate": True}
    found = inferred(infer, images, prompts(tmp_path, boxes=[entry]), tmp_path / "out")
    dice = 2 * (found & liver).sum() / (found.sum() + liver.sum())
    assert dice > FOLLOWED
    limited = prompts(tmp_path, boxes=[{**entry, "up_to": [k - 1, k]}])
    found = inferred(infer, images, limited, tmp_path / "limited")
    assert np.flatnonzero(found.any(axis=(0, 1))).tolist() == [k - 1, k]


def test_a_mask_on_one_slice(
    images: Path, liver: NDArray[np.bool_], infer: Run, tmp_path: Path
) -> None:
    k, _ = middle(liver)
    drawn = np.zeros(liver.shape, np.uint8)
    drawn[:, :, k] = liver[:, :, k]
    affine = nib.load(images / "a.nii.gz").affine
    nib.save(nib.Nifti1Image(drawn, affine), tmp_path / "liver.nii.gz")
    file = prompts(tmp_path, masks=[{"organ": "liver", "mask": "liver.nii.gz", "label": 1}])
    found = inferred(infer, images, file, tmp_path / "out")
    assert np.array_equal(found[:, :, k], liver[:, :, k])
    assert 2 * (found & liver).sum() / (found.sum() + liver.sum()) > FOLLOWED


def test_a_3d_box(images: Path, liver: NDArray[np.bool_], infer: Run, tmp_path: Path) -> None:
    k, (x0, y0, x1, y1) = middle(liver)
    solid = {"organ": "liver", "box3d": [x0, y0, k - 1, x1, y1, k + 2]}
    flat = [{"organ": "liver", "slice": z, "box": [x0, y0, x1, y1]} for z in (k - 1, k, k + 1)]
    a = inferred(infer, images, prompts(tmp_path, boxes=[solid]), tmp_path / "a")
    b = inferred(infer, images, prompts(tmp_path, boxes=flat), tmp_path / "b")
    assert np.flatnonzero(a.any(axis=(0, 1))).tolist() == [k - 1, k, k + 1]
    assert np.array_equal(a, b)


def test_a_mask_that_does_not_fit_is_refused_before_anything_is_written(
    images: Path, infer: Run, tmp_path: Path
) -> None:
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4)), tmp_path / "small.nii.gz")
    file = prompts(tmp_path, masks=[{"organ": "liver", "mask": "small.nii.gz"}])
    with pytest.raises(CobotError, match=r"case a, mask 0: .*small\.nii\.gz .* not on the grid"):
        inferred(infer, images, file, tmp_path / "out")
    assert not (tmp_path / "out").exists()
