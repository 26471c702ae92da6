"""Volumes that are made on the fly: organs are ellipses, each on most slices."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray


def labels(side: int, slices: int, organs: int) -> NDArray[np.uint8]:
    """A label map (X, Y, Z) with so many ellipses, side by side."""
    found = np.zeros((side, side, slices), np.uint8)
    columns = int(np.ceil(np.sqrt(organs)))
    cell = side / columns
    x, y = np.mgrid[:side, :side]
    for organ in range(organs):
        middle = (np.array((organ % columns, organ // columns)) + 0.5) * cell
        inside = ((x - middle[0]) / (0.4 * cell)) ** 2 + ((y - middle[1]) / (0.3 * cell)) ** 2 < 1
        found[inside] = organ + 1
    return found


def write(folder: Path, side: int, slices: int, organs: int) -> dict[str, str]:
    """A CT and its labels as uncompressed NIfTI; the item of a datalist."""
    truth = labels(side, slices, organs)
    noise = np.random.default_rng(0).normal(0, 20, truth.shape)
    image = (truth * 10.0 + noise).astype(np.int16)
    item = {"case": "0", "patient": "0"}
    for name, array in (("image", image), ("label", truth)):
        file = folder / f"{name}.nii"
        nib.save(nib.Nifti1Image(array, np.eye(4)), file)
        item[name] = str(file)
    return item
