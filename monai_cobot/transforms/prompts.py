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

from monai_cobot.errors import CobotError
from monai_cobot.transforms.boxes import boxes_from_label
from monai_cobot.transforms.orientation import source_axes
from monai_cobot.transforms.slicing import volume_to_slices

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
    """

    organ: int
    slice: int
    box: tuple[float, float, float, float]
    place: str = field(default="box prompt", compare=False)


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
        prompts: in the source frame.
        affine: (4, 4) of the source, indices to RAS millimetres.
        shape: (I, J, K) of the source's array.

    Returns:
        Prompts a slice, ascending in z and then in organ.

    Raises:
        CobotError: a slice outside of the volume, or a box that is empty or reaches outside.
    """
    frame = _SourceFrame(affine, shape)
    rows: dict[int, list[tuple[int, list[float]]]] = {}
    for prompt in prompts:
        frame.check(prompt)
        z = int(frame.mirrored(frame.slice_axis, prompt.slice, prompt.slice + 1)[0])
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
    frame = _SourceFrame(affine, shape)
    return [
        BoxPrompt(organ, int(frame.mirrored(frame.slice_axis, z, z + 1)[0]), frame.to_source(box))
        for z, (boxes, organs) in sorted(prompts.items())
        for box, organ in zip(boxes.tolist(), organs.tolist(), strict=True)
    ]


class _SourceFrame:
    """Intervals of edges of a source image, to slices and back."""

    def __init__(self, affine: ArrayLike, shape: Sequence[int]) -> None:
        self.axes, self.shape = source_axes(affine), tuple(shape)
        self.slice_axis = int((self.axes[:, 0] == 2).argmax())
        self.plane = [axis for axis in range(3) if axis != self.slice_axis]

    def check(self, prompt: BoxPrompt) -> None:
        """Refuse a prompt that does not lie within the image."""
        slices = self.shape[self.slice_axis]
        if not 0 <= prompt.slice < slices:
            raise CobotError(
                f"{prompt.place}: slice {prompt.slice} is outside of the image, whose slices "
                f"(axis {self.slice_axis} of {self.shape}) are 0 to {slices - 1}"
            )
        width, height = (self.shape[axis] for axis in self.plane)
        x0, y0, x1, y1 = prompt.box
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise CobotError(
                f"{prompt.place}: box {list(prompt.box)} is empty or reaches outside: "
                f"give 0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}, in voxel edges of "
                "the source image"
            )

    def mirrored(self, axis: int, low: float, high: float) -> tuple[float, float]:
        """Exchange an interval on a source axis for that on its voxel axis; its own inverse."""
        size = self.shape[axis]
        return (low, high) if self.axes[axis, 1] > 0 else (size - high, size - low)

    def to_slice(self, box: Sequence[float]) -> list[float]:
        """Source box to slice box: to the voxel axis X or Y, then against it (columns, rows)."""
        slice_box = [0.0] * 4
        for at, axis in enumerate(self.plane):
            low, high = self.mirrored(axis, box[at], box[at + 2])
            side, size = self.axes[axis, 0], self.shape[axis]
            slice_box[side], slice_box[side + 2] = size - high, size - low
        return slice_box

    def to_source(self, box: Sequence[float]) -> tuple[float, float, float, float]:
        """Slice box to source box."""
        source = [0.0] * 4
        for at, axis in enumerate(self.plane):
            side, size = self.axes[axis, 0], self.shape[axis]
            source[at], source[at + 2] = self.mirrored(axis, size - box[side + 2], size - box[side])
        return (source[0], source[1], source[2], source[3])
