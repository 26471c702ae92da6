"""The planes that are drawn: the picture's or the slice's own image, truth and answers."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
from PIL import Image

from monai_cobot.bundle import find_cases
from monai_cobot.comparison.qualitative import read_plane
from monai_cobot.data import datasets
from tests.bundle.conftest import BRAST
from tests.bundle.small_data import small_data


def test_plane_of_a_picture(tmp_path: Path) -> None:
    """The answer is a rectangle in the upper left; the truth is that of the mask's file."""
    spec = datasets.get("BRAST")
    case = find_cases(small_data(BRAST, tmp_path), spec)[0]
    answer = np.zeros(Image.open(case["image"]).size[::-1], np.uint8)
    answer[2:9, 3:15] = 1
    (tmp_path / "run" / "predictions").mkdir(parents=True)
    Image.fromarray(answer).save(tmp_path / "run" / "predictions" / f"{case['case']}_seg.png")
    plane = read_plane(SimpleNamespace(spec=spec), case, [tmp_path / "run"])  # type: ignore[arg-type]
    (prediction,) = plane.predictions
    np.testing.assert_array_equal(prediction, answer == 1)
    image = Path(case["image"])
    mask = Image.open(image.with_name(f"{image.stem}_mask.png")).convert("L")
    np.testing.assert_array_equal(plane.truth == 1, np.asarray(mask) > 0)
    assert plane.truth.any()
    assert plane.image.shape[:2] == answer.shape


def test_plane_of_a_volume_is_the_slice_with_the_most_organs(
    tmp_path: Path, phantoms: Path
) -> None:
    """One answer is the truth, the other lacks its liver."""
    spec = datasets.get("ADOME")
    case = find_cases(phantoms, spec)[0]
    label = nib.load(case["label"])
    truth = np.asarray(label.dataobj)
    name = f"{case['case']}_seg.nii.gz"
    folders = [tmp_path / "same", tmp_path / "other"]
    for folder in folders:
        (folder / "predictions").mkdir(parents=True)
    shutil.copy(case["label"], folders[0] / "predictions" / name)
    other = np.where(truth == 1, 0, truth).astype(truth.dtype)
    nib.save(nib.Nifti1Image(other, label.affine), folders[1] / "predictions" / name)
    plane = read_plane(SimpleNamespace(spec=spec), case, folders)  # type: ignore[arg-type]
    same, lacking = plane.predictions
    np.testing.assert_array_equal(same, plane.truth)
    np.testing.assert_array_equal(lacking, np.where(plane.truth == 1, 0, plane.truth))
    organs = [len(np.unique(truth[:, :, z])) for z in range(truth.shape[2])]
    assert len(np.unique(plane.truth)) == max(organs)
