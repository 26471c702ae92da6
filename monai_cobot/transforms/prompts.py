"""Box prompts of a volume: from a label, and between the source frame and the slices.

Two forms. In a volume's work they are a :data:`SlicePrompts`: slice index z of the voxel frame to
boxes (P, 4) XYXY of the slice frame and organs (P,). People write them as :class:`BoxPrompt`, in
voxels of the source image, so that no one needs to know this package's frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from numpy.typing import ArrayLike

from monai_cobot.transforms.boxes import boxes_from_label
from monai_cobot.transforms.slicing import volume_to_slices
from monai_cobot.transforms.source_frame import SourceFrame

#: z (voxel frame) to boxes (P, 4) float32 XYXY (slice frame) and organs (P,) int64.
SlicePrompts: TypeAlias = dict[int, tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class BoxPrompt:
    """One organ's box on one slice, in the source frame.

    Args:
        organ: the organ's label value.
        slice: index along the source axis that runs nearest to head-feet.
        box: x0, y0, x1, y1 in voxel edges, half open; x along the first of the two other source
            axes, y along the second.
        place: where it was written, for messages.
        propagate: whether it is carried from its slice through the volume, see
            :mod:`~monai_cobot.transforms.starts`.
        up_to: first and last slice that may then be reached, both included; None for all.
    """

    organ: int
    slice: int
    box: tuple[float, float, float, float]
    place: str = field(default="box prompt", compare=False)
    propagate: bool = False
    up_to: tuple[int, int] | None = None


def prompts_from_label(label: torch.Tensor, slices: Iterable[int] | None = None) -> SlicePrompts:
    """Give the tight box of every organ on every slice: oracle boxes.

    Args:
        label: (1, X, Y, Z) integer, voxel frame (RAS).
        slices: take these z alone; None takes all.

    Returns:
        Prompts of the slices that hold a target, ascending.
    """
    stack = volume_to_slices(label)
    wanted = range(len(stack)) if slices is None else sorted(set(slices))
    found = ((z, boxes_from_label(stack[z, 0])) for z in wanted)
    return {z: (boxes, organs) for z, (boxes, organs) in found if len(organs)}


def prompts_to_slices(
    prompts: Sequence[BoxPrompt], affine: ArrayLike, shape: Sequence[int]
) -> SlicePrompts:
    """Bring one case's prompts from the source frame to its slices.

    Args:
        prompts: in the source frame; of one that propagates, its own slice.
        affine: (4, 4) of the source, indices to RAS millimetres.
        shape: (I, J, K) of the source's array.

    Returns:
        Prompts a slice, ascending in z and then in organ.

    Raises:
        CobotError: a slice outside of the volume, or a box that is empty or reaches outside.
    """
    frame = SourceFrame(affine, shape)
    rows: dict[int, list[tuple[int, list[float]]]] = {}
    for prompt in prompts:
        frame.check(prompt.slice, prompt.box, prompt.place)
        z = frame.slice_to_voxel(prompt.slice)
        rows.setdefault(z, []).append((prompt.organ, frame.to_slice(prompt.box)))
    return {
        z: (
            torch.tensor([box for _, box in entries], dtype=torch.float32),
            torch.tensor([organ for organ, _ in entries], dtype=torch.int64),
        )
        for z, entries in ((z, sorted(rows[z])) for z in sorted(rows))
    }


def slices_to_prompts(
    prompts: Mapping[int, tuple[torch.Tensor, torch.Tensor]],
    affine: ArrayLike,
    shape: Sequence[int],
) -> list[BoxPrompt]:
    """Bring prompts of a volume's slices to the source frame, the inverse of the above.

    Args:
        prompts: z to boxes (P, 4), slice frame, and organs (P,).
        affine: (4, 4) of the source.
        shape: (I, J, K) of the source's array.

    Returns:
        Prompts in the source frame, in the order of z and of the boxes.
    """
    frame = SourceFrame(affine, shape)
    return [
        BoxPrompt(organ, frame.slice_to_voxel(z), frame.to_source(box))
        for z, (boxes, organs) in sorted(prompts.items())
        for box, organ in zip(boxes.tolist(), organs.tolist(), strict=True)
    ]
