"""Spacing, units and the two affines of a volume's header."""

from __future__ import annotations

from collections.abc import Iterator

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener
from numpy.typing import NDArray

from monai_cobot.data.volume_checks import CORNER_TOLERANCE, Volume, corners_apart, usable
from monai_cobot.doctor.findings import Finding

FINEST_MM, COARSEST_MM = 0.05, 20.0
"""Scans of people lie in between; metres and micrometres lie outside."""

WRONG_UNITS = {1: "metres", 3: "micrometres"}
"""NIfTI's codes of the units of length that are not mm."""

MOST_SHEAR = 1e-3
"""Cosine between two axes from which ITK refuses a grid as not orthogonal, rounded up."""


def patient_spacing(affine: NDArray[np.float64]) -> tuple[float, ...]:
    """Spacing in mm along the array axes nearest to left-right, back-front and feet-head."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    order = np.argsort(nib.io_orientation(affine)[:, 0])
    return tuple(float(value) for value in spacing[order])


def geometry_findings(volume: Volume, case: str) -> Iterator[Finding]:
    """What is wrong with spacing, units and affines of a file; its header is read again."""
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    if not ((spacing >= FINEST_MM) & (spacing <= COARSEST_MM)).all():
        what = f"has a spacing of {_by(spacing)} mm"
        remedy = "mend the header: are these metres or micrometres, or is a voxel size missing?"
        yield Finding.of("spacing_implausible", what, remedy, volume.path, case)
    file = nib.load(volume.path)
    if not isinstance(file, nib.Nifti1Image):
        return
    header = file.header
    yield from _pixdim_findings(volume, header, case)
    units = WRONG_UNITS.get(int(header["xyzt_units"]) & 7)
    if units is not None:
        what = f"says that its affine is in {units}"
        remedy = "write it in mm, as all readers take it"
        yield Finding.of("header_units", what, remedy, volume.path, case)
    if usable(volume.affine) and volume.array.ndim == 3:
        yield from _affine_findings(volume, header, case)


def _pixdim_findings(volume: Volume, header: nib.Nifti1Header, case: str) -> Iterator[Finding]:
    """Voxel sizes of the header, which are the spacing where no sform is set, and for ITK."""
    with ImageOpener(volume.path) as file:  # as stored, without nibabel's silent repairs
        stored = type(header).from_fileobj(file, check=False)
    sizes = np.asarray(stored["pixdim"][1:4], dtype=np.float64)
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    if np.allclose(sizes, spacing, rtol=0.01):
        return
    code = "header_spacing" if header["sform_code"] > 0 else "spacing_implausible"
    what = (
        f"has voxel sizes of {_by(sizes)} mm in its header, where its affine has {_by(spacing)} mm"
    )
    remedy = "write both alike: programs differ in which they follow"
    yield Finding.of(code, what, remedy, volume.path, case)


def _by(values: NDArray[np.float64]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


def _affine_findings(volume: Volume, header: nib.Nifti1Header, case: str) -> Iterator[Finding]:
    sform, qform = (form(coded=True)[0] for form in (header.get_sform, header.get_qform))
    if sform is not None and qform is not None:
        apart = corners_apart(sform, qform, volume.array.shape)
        if not apart <= CORNER_TOLERANCE * np.linalg.norm(sform[:3, :3], axis=0).min():
            what = f"has an sform and a qform that are {apart:.3g} mm apart at a corner"
            remedy = "remove the wrong one: programs differ in which they follow (here: the sform)"
            yield Finding.of("header_affines", what, remedy, volume.path, case)
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    shear = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if shear > MOST_SHEAR:
        what = f"has axes that are not at right angles (cosine {shear:.2g})"
        remedy = "resample it onto an orthogonal grid: ITK refuses it as it is"
        yield Finding.of("affine_sheared", what, remedy, volume.path, case)
