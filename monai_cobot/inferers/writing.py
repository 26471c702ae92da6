"""A label map back into the geometry of its source file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from monai_cobot.errors import CobotError
from monai_cobot.transforms import voxel_to_source
from monai_cobot.whole_file import whole_file


def write_label_like(
    label_map: torch.Tensor | NDArray[Any],
    source_path: str | os.PathLike[str],
    out_path: str | os.PathLike[str],
) -> Path:
    """Write a label map as NIfTI with its source's geometry, all or nothing.

    Shape, sform and qform with their codes, voxel sizes and xyzt units are the source's own, bit
    for bit; the voxels are uint8 (uint16 above 255) without scaling. What else the source's header
    carries (description, display range, extensions, which may name a patient) is left out.

    Args:
        label_map: (X, Y, Z), voxel frame (RAS), whole numbers of at least 0.
        source_path: the NIfTI file that the volume was read from.
        out_path: ``.nii`` or ``.nii.gz``; its folder is made.

    Returns:
        out_path.

    Raises:
        CobotError: the source is not a readable NIfTI, the shapes differ, the values are no
            labels, or out_path has another ending. Nothing is written then.
    """
    target = Path(out_path)
    if not target.name.endswith((".nii", ".nii.gz")):
        raise CobotError(f"{target} is not a NIfTI name: let it end in .nii.gz")
    source = _load(source_path)
    labels = _as_labels(label_map, target)
    stored = voxel_to_source(labels, source.affine)
    if stored.shape != source.shape[:3] or stored.size != np.prod(source.shape):
        raise CobotError(
            f"a label map whose shape in the source's axes is {stored.shape} does not fit "
            f"{source_path} with shape {source.shape}: give the map of this image"
        )
    kind = nib.Nifti2Image if isinstance(source, nib.Nifti2Image) else nib.Nifti1Image
    header = _bare_header(source.header, labels.dtype)
    image = kind(stored.reshape(source.shape), source.affine, header)
    with whole_file(target) as file:
        nib.save(image, file)
    return target


def _load(path: str | os.PathLike[str]) -> Any:
    try:
        source = nib.load(path)
    except (OSError, ImageFileError) as error:
        raise CobotError(f"cannot read {path} ({error}): give the source NIfTI file") from error
    if not isinstance(source, nib.Nifti1Image):
        raise CobotError(f"{path} is no NIfTI file (.nii, .nii.gz): convert it first")
    return source


def _as_labels(label_map: torch.Tensor | NDArray[Any], target: Path) -> NDArray[Any]:
    values = label_map.cpu().numpy() if isinstance(label_map, torch.Tensor) else label_map
    if values.ndim != 3:
        raise CobotError(f"{target}: expected a label map (X, Y, Z), got shape {values.shape}")
    if not (np.isfinite(values).all() and (values == np.clip(np.round(values), 0, 65535)).all()):
        raise CobotError(f"{target}: a label map holds whole numbers from 0 to 65535 alone")
    return values.astype(np.uint8 if values.max(initial=0) <= 255 else np.uint16)


def _bare_header(source: Any, dtype: np.dtype[Any]) -> Any:
    header = source.copy()
    header.extensions.clear()
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    for name in ("descrip", "aux_file", "db_name", "intent_name"):
        if name in header:
            header[name] = b""
    for name in ("cal_min", "cal_max", "intent_code", "intent_p1", "intent_p2", "intent_p3"):
        header[name] = 0
    return header
