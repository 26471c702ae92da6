"""The door between the voxel frame (RAS) and the array as the file stores it (source frame).

Only axes are exchanged and reversed, as MONAI's ``Orientation("RAS")`` does for the same affine;
nothing is resampled, so an oblique volume comes back voxel by voxel.
"""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import ArrayLike, NDArray

from monai_cobot.errors import CobotError


def source_axes(affine: ArrayLike) -> NDArray[np.int64]:
    """Say where each axis of a file's array points.

    Args:
        affine: (4, 4), source voxel indices to RAS millimetres.

    Returns:
        (3, 2). Row a speaks of source axis a: the voxel-frame axis (0 X, 1 Y, 2 Z) nearest to
        it, and +1 or -1 for along or against it (``nibabel.io_orientation``).

    Raises:
        CobotError: the affine is not invertible and so points an axis nowhere.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    axes = nib.io_orientation(matrix) if np.isfinite(matrix).all() else np.full((3, 2), np.nan)
    if axes.shape != (3, 2) or np.isnan(axes).any():
        raise CobotError(
            f"the affine {matrix.tolist()} does not give three directions in space: mend the "
            "file's sform or qform"
        )
    return axes.astype(np.int64)


def voxel_to_source(volume: NDArray[Any], affine: ArrayLike) -> NDArray[Any]:
    """Bring an array (X, Y, Z) from the voxel frame to the frame of the file with this affine.

    Args:
        volume: (X, Y, Z), voxel frame.
        affine: (4, 4) of the *source* file.

    Returns:
        The same voxels in the source's order of axes, a view.

    Raises:
        CobotError: the affine is not invertible.
    """
    axes = source_axes(affine)
    flipped = tuple(slice(None, None, int(axes[axes[:, 0] == t, 1][0])) for t in range(3))
    return volume[flipped].transpose(axes[:, 0])


def source_geometry(image: MetaTensor) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Read from a volume in RAS which array it was in its file.

    Args:
        image: (1, X, Y, Z), voxel frame, as :func:`volume_transforms` gives it.

    Returns:
        The source's affine (4, 4), indices to RAS millimetres, and its shape (I, J, K).
    """
    affine = np.asarray(image.meta["original_affine"], dtype=np.float64)
    sizes = tuple(int(image.shape[1:][t]) for t in source_axes(affine)[:, 0])
    return affine, (sizes[0], sizes[1], sizes[2])


def voxel_spacing(image: MetaTensor) -> tuple[float, float, float]:
    """Give the millimetres between voxels along X, Y and Z of a volume (1, X, Y, Z) in RAS."""
    lengths = torch.linalg.vector_norm(image.affine[:3, :3].to(torch.float64), dim=0)
    return (float(lengths[0]), float(lengths[1]), float(lengths[2]))
