"""Small NIfTI datasets for the tests of the package's data room."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

AFFINE = np.array([[-2.0, 0, 0, 50], [0, -2, 0, 60], [0, 0, 5, -100], [0, 0, 0, 1]])


def write(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def write_case(
    root: Path,
    name: str,
    folders: tuple[str, str] = ("images", "labels"),
    channel: str = "_0000",
    labels: tuple[int, ...] = (1,),
) -> dict[str, str]:
    image = np.full((6, 5, 4), 40, np.int16)
    label = np.zeros((6, 5, 4), np.uint8)
    for z, value in enumerate(labels):
        label[1:3, 1:3, z] = value
    return {
        "case": name,
        "patient": name,
        "image": str(write(root / folders[0] / f"{name}{channel}.nii.gz", image)),
        "label": str(write(root / folders[1] / f"{name}.nii.gz", label)),
    }
