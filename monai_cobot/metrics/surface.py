"""MONAI's surface measures of two masks that are not empty."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray

_PERCENTILE = 95.0


def hd95(
    predicted: NDArray[np.bool_], true: NDArray[np.bool_], spacing: Sequence[float] | None
) -> float:
    """95th percentile Hausdorff distance: the larger of both directions.

    Args:
        predicted: (X, Y, Z) or (H, W) mask, not empty.
        true: mask of the same shape, not empty.
        spacing: mm along each axis; None for 1.

    Returns:
        mm, or voxels where there is no spacing.
    """
    masks = (torch.from_numpy(mask)[None, None] for mask in (predicted, true))
    with _quiet():
        distance = compute_hausdorff_distance(
            *masks,
            include_background=True,
            percentile=_PERCENTILE,
            spacing=None if spacing is None else [float(value) for value in spacing],
        )
    return float(distance)


def surface_dice(
    predicted: NDArray[np.bool_],
    true: NDArray[np.bool_],
    spacing: Sequence[float],
    tolerance: float,
) -> float:
    """Share of both surfaces that lies within a tolerance of the other.

    Args:
        predicted: (X, Y, Z) or (H, W) mask, not empty.
        true: mask of the same shape, not empty.
        spacing: mm along each axis.
        tolerance: mm that are forgiven.

    Returns:
        0 to 1.
    """
    masks = (torch.from_numpy(mask)[None, None] for mask in (predicted, true))
    with _quiet():
        share = compute_surface_dice(
            *masks,
            class_thresholds=[float(tolerance)],
            include_background=True,
            spacing=[float(value) for value in spacing],
        )
    return float(share)


@contextmanager
def _quiet() -> Iterator[None]:
    """MONAI 1.6 calls its own deprecated argument: a warning that no user can act on."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*always_return_as_numpy", category=FutureWarning
        )
        yield
