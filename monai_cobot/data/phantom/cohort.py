"""The cohort on disk, in the layout of FLARE22."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from monai_cobot.data.phantom.grid import Shape3, Spacing
from monai_cobot.data.phantom.patient import Patient, draw_patient
from monai_cobot.data.phantom.rendering import render
from monai_cobot.errors import CobotError

SMALLEST = (48, 48, 16)
"""With fewer voxels the small organs would fall between them."""


def make_cohort(
    out: str | Path,
    cases: int,
    seed: int = 0,
    shape: Shape3 = (128, 128, 40),
    progress: bool = False,
) -> Path:
    """Write a synthetic cohort: ``images/<case>_0000.nii.gz``, ``labels/<case>.nii.gz``.

    Case ``phantom_0001`` and so on depend on ``seed`` and their number only, not on ``cases``.
    Images are int16 HU, labels uint8 with ADOME's 13 organs; spacing is anisotropic, and files are
    stored in LPS, RAS or LAS order with the affine that belongs to it (RAS mm). The folder appears
    when it is complete.

    Args:
        out: a folder that does not exist or is empty.
        cases: how many.
        seed: another seed is another cohort.
        shape: voxels along left-right, back-front and feet-head.
        progress: show a progress bar.

    Returns:
        the folder.

    Raises:
        CobotError: ``out`` is a file or has content, fewer than one case, a negative seed, a shape
            too small for the small organs.
    """
    out = Path(out).expanduser().resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CobotError(f"{out} exists and is not empty: remove it or choose another folder")
    if cases < 1:
        raise CobotError(f"cases is {cases}: ask for at least 1")
    if seed < 0:
        raise CobotError(f"seed is {seed}: choose 0 or more")
    if any(size < least for size, least in zip(shape, SMALLEST, strict=True)):
        raise CobotError(f"shape {shape} is too small for the organs: at least {SMALLEST}")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        for folder in ("images", "labels"):
            (partial / folder).mkdir(parents=True)
        for number in tqdm(range(1, cases + 1), desc="phantoms", disable=not progress):
            _write_case(partial, number, seed, shape)
        _write_note(partial, cases, seed, shape)
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _write_case(folder: Path, number: int, seed: int, shape: Shape3) -> None:
    rng = np.random.default_rng([seed, number])
    patient = draw_patient(rng)
    image, label, spacing = render(patient, shape, rng)
    name = f"phantom_{number:04d}"
    _save(image, patient, spacing, folder / "images" / f"{name}_0000.nii.gz")
    _save(label, patient, spacing, folder / "labels" / f"{name}.nii.gz")


def _save(
    array: NDArray[np.int16] | NDArray[np.uint8], patient: Patient, spacing: Spacing, path: Path
) -> None:
    """Write a RAS array in the patient's file orientation, with the affine that says so."""
    centre = [(size - 1) / 2 * step for size, step in zip(array.shape, spacing, strict=True)]
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-centre[0], -centre[1] + 150.0, -centre[2] - 1200.0]
    ras = nib.Nifti1Image(array, affine)
    stored = nib.orientations.axcodes2ornt(tuple(patient.orientation))
    file = ras.as_reoriented(stored)
    file.header.set_xyzt_units("mm")
    file.set_sform(file.affine, code=1)
    file.set_qform(file.affine, code=1)
    nib.save(file, path)


def _write_note(folder: Path, cases: int, seed: int, shape: Shape3) -> None:
    note = {
        "what": "synthetic abdominal CTs drawn by monai_cobot, no patients: for trying and testing",
        "cases": cases,
        "seed": seed,
        "shape": list(shape),
    }
    (folder / "phantom.json").write_text(json.dumps(note, indent=1) + "\n")
