"""The door between a volume and its axial slices: voxel frame to slice frame and back.

The voxel frame is a volume (C, X, Y, Z) oriented to RAS: X grows to the patient's right, Y to
anterior, Z to superior. The slice frame is what a radiologist sees: anterior on top, the
patient's right on the viewer's left. Voxel (x, y, z) is row ``Y - 1 - y``, column ``X - 1 - x``
of slice z. Nothing is resampled, so both directions are exact.

MONAI's and NIfTI's "R" names the side *towards* which an axis grows.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from monai_cobot.errors import CobotError

Stack = TypeVar("Stack", torch.Tensor, NDArray[Any])


def volume_to_slices(volume: Stack) -> Stack:
    """Cut a volume into its axial slices.

    Args:
        volume: (C, X, Y, Z), voxel frame (RAS); a NumPy array or a tensor of any dtype.

    Returns:
        (Z, C, H, W) with H = Y and W = X, slice frame, of the same kind and dtype. NumPy gets a
        view, torch (which has no negative strides) a copy. A MetaTensor comes back as a plain
        tensor, because its affine does not describe slices.

    Raises:
        CobotError: the volume has not four axes.

    The law: ``slices_to_volume(volume_to_slices(v))`` equals ``v``.
    """
    _check_four_axes(volume, "a volume (C, X, Y, Z)")
    if isinstance(volume, np.ndarray):
        return volume[:, ::-1, ::-1].transpose(3, 0, 2, 1)
    return _plain(volume).permute(3, 0, 2, 1).flip((2, 3))


def slices_to_volume(slices: Stack) -> Stack:
    """Stack axial slices to the volume that :func:`volume_to_slices` had cut.

    Args:
        slices: (Z, C, H, W), slice frame, slice z at index z.

    Returns:
        (C, X, Y, Z) with X = W and Y = H, voxel frame (RAS), of the same kind and dtype.

    Raises:
        CobotError: the stack has not four axes.
    """
    _check_four_axes(slices, "a stack of slices (Z, C, H, W)")
    if isinstance(slices, np.ndarray):
        return slices[:, :, ::-1, ::-1].transpose(1, 3, 2, 0)
    return _plain(slices).permute(1, 3, 2, 0).flip((1, 2))


def _check_four_axes(stack: torch.Tensor | NDArray[Any], wanted: str) -> None:
    if stack.ndim != 4:
        raise CobotError(
            f"expected {wanted}, got shape {tuple(stack.shape)}: add the channel axis with "
            "EnsureChannelFirstd, and take one volume at a time"
        )


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor
