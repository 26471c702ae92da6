"""Phantoms in the layouts in which the datasets of the bundles are distributed."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from monai_cobot.data.phantom import make_cohort
from tests.bundle.conftest import ADOME, BRAST, NATURAL, SEGRAP, code_of
from tests.bundle.small_pictures import small_pictures

SHAPE = (48, 48, 16)
CASES = 4
ORGAN = {
    "SPLEN": 3,
    "MOMO": 1,
    "SEGRAP": 11,
    "BRAST": 1,
}  # the phantom's organ that plays the target


def small_data(bundle: Path, folder: Path) -> Path:
    """A folder with a few cases of the bundle's dataset."""
    if bundle in NATURAL:
        return small_pictures(code_of(bundle), folder / "data")
    cohort = make_cohort(folder / "phantoms", CASES, seed=5, shape=SHAPE)
    if bundle == ADOME:
        return cohort
    target = folder / "data"
    for label_file in sorted((cohort / "labels").glob("*.nii.gz")):
        case = label_file.name.removesuffix(".nii.gz")
        image = nib.load(cohort / "images" / f"{case}_0000.nii.gz")
        label = nib.load(label_file)
        truth = (np.asarray(label.dataobj) == ORGAN[code_of(bundle)]).astype(np.uint8)
        write = {BRAST: _pictures, SEGRAP: _case_folder}.get(bundle, _decathlon)
        write(target, case, image, nib.Nifti1Image(truth, label.affine))
    if bundle not in (BRAST, SEGRAP):
        names = sorted(path.name for path in (target / "imagesTr").iterdir())
        training = [
            {"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names
        ]
        labels = {"0": "background", "1": "target"}
        (target / "dataset.json").write_text(json.dumps({"labels": labels, "training": training}))
    return target


def _decathlon(target: Path, case: str, image: nib.Nifti1Image, label: nib.Nifti1Image) -> None:
    for name, volume in (("imagesTr", image), ("labelsTr", label)):
        (target / name).mkdir(parents=True, exist_ok=True)
        nib.save(volume, target / name / f"{case}.nii.gz")


def _case_folder(target: Path, case: str, image: nib.Nifti1Image, label: nib.Nifti1Image) -> None:
    (target / case).mkdir(parents=True)
    nib.save(image, target / case / "image.nii.gz")
    nib.save(image, target / case / "image_contrast.nii.gz")
    nib.save(label, target / case / "GTVnx.nii.gz")


def _pictures(target: Path, case: str, image: nib.Nifti1Image, label: nib.Nifti1Image) -> None:
    """The slice with the most of the target, as BUSI's files."""
    folder = target / "malignant"
    folder.mkdir(parents=True, exist_ok=True)
    truth = np.asarray(label.dataobj)
    z = int(truth.sum(axis=(0, 1)).argmax())
    pixels = np.clip((np.asarray(image.dataobj)[:, :, z] + 160) / 400 * 255, 0, 255)
    number = int(case.split("_")[1])
    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"malignant ({number}).png")
    mask = Image.fromarray(truth[:, :, z] * np.uint8(255))
    mask.save(folder / f"malignant ({number})_mask.png")
