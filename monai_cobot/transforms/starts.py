"""Prompts that are carried through a volume: from the source frame to the slices they start on.

A box that propagates, or a mask on one slice or several, becomes a :class:`Start` on each of its
slices. What happens from there is the inferer's matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
import torch
from nibabel.filebasedimages import ImageFileError
from numpy.typing import ArrayLike, NDArray

from monai_cobot.errors import CobotError
from monai_cobot.transforms.prompts import BoxPrompt
from monai_cobot.transforms.slicing import volume_to_slices
from monai_cobot.transforms.source_frame import SourceFrame

#: Voxels by which a corner of a mask's grid may lie off its image's: headers are float32.
GRID_TOLERANCE = 0.05


@dataclass(frozen=True)
class MaskPrompt:
    """One organ's mask on one slice or several, in a NIfTI file on the grid of the image.

    Args:
        organ: the organ's label value.
        file: path of the NIfTI file.
        value: of the organ's voxels in the file.
        up_to: first and last slice (source frame) that may be reached, both included; None for all.
        place: where it was written, for messages.
    """

    organ: int
    file: Path
    value: int
    up_to: tuple[int, int] | None = None
    place: str = field(default="mask prompt", compare=False)


Prompt: TypeAlias = BoxPrompt | MaskPrompt


@dataclass(frozen=True, eq=False)
class Start:
    """Where an organ is known, and how far it may be followed.

    Args:
        organ: the organ's label value.
        z: slice, voxel frame.
        box: (4,) float32 XYXY, slice frame; the mask's tight box where there is a mask.
        mask: (H, W) bool, slice frame; None where a box alone is known.
        first: lowest slice z that may be reached.
        last: highest slice z that may be reached.
    """

    organ: int
    z: int
    box: torch.Tensor
    mask: torch.Tensor | None
    first: int
    last: int


def prompts_to_starts(
    prompts: Sequence[Prompt], affine: ArrayLike, shape: Sequence[int]
) -> list[Start]:
    """Find the starts of one case's prompts.

    A mask on several slices is one organ: from each of them it is followed to the next one.

    Args:
        prompts: in the source frame; boxes that do not propagate are left out.
        affine: (4, 4) of the source, indices to RAS millimetres.
        shape: (I, J, K) of the source's array.

    Returns:
        The starts in the order of the prompts, those of a mask by ascending z.

    Raises:
        CobotError: a slice or box outside of the image; ``up_to`` that leaves the start out; a mask
            file that is missing, is on another grid, or does not hold the value.
    """
    frame, starts = SourceFrame(affine, shape), []
    for prompt in prompts:
        if isinstance(prompt, MaskPrompt):
            starts += _mask_starts(prompt, frame, affine, shape)
        elif prompt.propagate:
            frame.check(prompt.slice, prompt.box, prompt.place)
            first, last = _reach(prompt.up_to, [prompt.slice], frame, prompt.place)
            box = torch.tensor(frame.to_slice(prompt.box), dtype=torch.float32)
            z = frame.slice_to_voxel(prompt.slice)
            starts.append(Start(prompt.organ, z, box, None, first, last))
    return starts


def _mask_starts(
    prompt: MaskPrompt, frame: SourceFrame, affine: ArrayLike, shape: Sequence[int]
) -> list[Start]:
    masks = volume_to_slices(_read_mask(prompt, affine, shape)[None])[:, 0]
    drawn = [int(z) for z in np.flatnonzero(masks.any(axis=(1, 2)))]
    first, last = _reach(
        prompt.up_to, [frame.slice_to_voxel(z) for z in drawn], frame, prompt.place
    )
    lows, highs = [first, *(z + 1 for z in drawn[:-1])], [*(z - 1 for z in drawn[1:]), last]
    return [
        Start(prompt.organ, z, tight_box(mask), mask, low, high)
        for z, mask, low, high in (
            (z, torch.from_numpy(masks[z].copy()), low, high)
            for z, low, high in zip(drawn, lows, highs, strict=True)
        )
    ]


def tight_box(mask: torch.Tensor) -> torch.Tensor:
    """Find the tight box (4,) float32 XYXY of a mask (H, W) bool that is not empty; its frame."""
    rows, columns = torch.nonzero(mask, as_tuple=True)
    low, high = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
    return torch.stack([*low, *high]).float()


def _reach(
    up_to: tuple[int, int] | None, slices: Sequence[int], frame: SourceFrame, place: str
) -> tuple[int, int]:
    """Lowest and highest z; ``up_to`` and the start's ``slices`` are of the source frame."""
    if up_to is None:
        return 0, frame.slices - 1
    for index in up_to:
        frame.check_slice(index, f"{place}: up_to")
    if not up_to[0] <= min(slices) <= max(slices) <= up_to[1]:
        raise CobotError(
            f"{place}: up_to {list(up_to)} leaves out the start on slice "
            f"{', '.join(map(str, sorted(slices)))}: give the first and the last slice around it"
        )
    low, high = sorted(frame.slice_to_voxel(index) for index in up_to)
    return low, high


def _read_mask(prompt: MaskPrompt, affine: ArrayLike, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Where the file has the organ: (X, Y, Z), voxel frame."""
    try:
        image = nib.load(prompt.file)
        if len(image.shape) == 4 and image.shape[3] == 1:
            image = image.slicer[..., 0]
        _check_grid(image, prompt, np.asarray(affine, dtype=np.float64), tuple(shape))
        values = np.asarray(nib.as_closest_canonical(image).dataobj)
    except FileNotFoundError:
        raise CobotError(f"{prompt.place}: {prompt.file} does not exist: check the path") from None
    except (OSError, EOFError, ImageFileError) as error:
        raise CobotError(
            f"{prompt.place}: {prompt.file} is not readable as NIfTI ({error}): copy it again"
        ) from None
    found: NDArray[np.bool_] = values == prompt.value
    if not found.any():
        present = [f"{value:g}" for value in np.unique(values[values != 0])[:5]]
        raise CobotError(
            f"{prompt.place}: {prompt.file} has no voxel of value {prompt.value}, only "
            f"{', '.join(present) or 'background'}: draw the organ, or say its value as 'label'"
        )
    return found


def _check_grid(
    mask: Any, prompt: MaskPrompt, affine: NDArray[np.float64], shape: tuple[int, ...]
) -> None:
    """Refuse a mask that is not on the image's grid; the order of the axes may differ."""
    sizes, placed = _canonical(mask.affine, mask.shape) if len(mask.shape) == 3 else ((), affine)
    wanted_sizes, wanted = _canonical(affine, shape)
    corners = np.array(np.meshgrid(*([0, size - 1] for size in wanted_sizes))).reshape(3, -1)
    off = (placed - wanted) @ np.vstack([corners, np.ones(corners.shape[1])])
    spacing = np.linalg.norm(wanted[:3, :3], axis=0).min()
    if sizes != wanted_sizes or np.abs(off).max() > GRID_TOLERANCE * spacing:
        raise CobotError(
            f"{prompt.place}: {prompt.file} with shape {mask.shape} is not on the grid of its "
            f"image with shape {shape}: resample it onto the image's grid"
        )


def _canonical(
    affine: NDArray[np.float64], shape: Sequence[int]
) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Shape and affine of the same grid in RAS."""
    axes = nib.io_orientation(affine)
    sizes = tuple(int(shape[list(axes[:, 0]).index(t)]) for t in range(len(axes)))
    return sizes, affine @ nib.orientations.inv_ornt_aff(axes, shape)
