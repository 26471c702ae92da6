"""Box prompts from a label or from masks, and their perturbation.

Boxes are (P, 4) float32 XYXY, x a column and y a row, pixel edges, half open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from monai.transforms import Randomizable, Transform
from scipy import ndimage

from monai_cobot.errors import CobotError

MODES = ("outward", "symmetric", "proportional", "scale", "shift")
#: The side of SAM's input at which sizes in pixels are given.
REFERENCE_SIZE = 1024


def boxes_from_label(label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the tight box of every organ of a slice, in one pass over the label.

    Args:
        label: (H, W) integer, slice frame (any frame of pixels will do); 0 is background.

    Returns:
        boxes (P, 4) float32 XYXY in the label's frame, and organs (P,) int64, the label values,
        ascending. P may be 0.
    """
    found = ndimage.find_objects(label.to(torch.int32).cpu().numpy())
    rows = [
        (organ, columns.start, rows.start, columns.stop, rows.stop)
        for organ, place in enumerate(found, start=1)
        if place is not None
        for rows, columns in (place,)
    ]
    table = torch.tensor(rows, dtype=torch.int64, device=label.device).reshape(-1, 5)
    return table[:, 1:].float(), table[:, 0]


@dataclass(frozen=True)
class FoundBoxes:
    """Boxes and organs of a label, found before; they hold for this very tensor alone.

    Whatever puts another label in its place, as a flip does, makes them be searched again.

    Args:
        label: (1, H, W) integer, as a sample has it.
        boxes: (P, 4) float32 XYXY in the label's frame, as :func:`boxes_from_label` finds them.
        organs: (P,) int64, ascending.
    """

    label: torch.Tensor
    boxes: torch.Tensor
    organs: torch.Tensor


def masks_from_label(label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Take a label apart into one mask an organ.

    Args:
        label: (H, W) integer, any frame of pixels; 0 is background.

    Returns:
        masks (P, H, W) uint8, 0 or 1, in the label's frame, and organs (P,) int64, the label
        values, ascending. P may be 0.
    """
    organs = boxes_from_label(label)[1]
    return equal_to(label, organs), organs


def equal_to(label: torch.Tensor, organs: torch.Tensor) -> torch.Tensor:
    """Where a label is equal to each of some values.

    Args:
        label: (H, W) integer, any frame of pixels.
        organs: (P,) integer, on any device; values of the label's type.

    Returns:
        (P, H, W) uint8, 0 or 1.
    """
    found = label.new_empty(len(organs), *label.shape, dtype=torch.uint8)
    # Into bytes: on a CPU torch compares to bool many times more slowly.
    torch.eq(label[None], organs.to(label)[:, None, None], out=found)
    return found


def boxes_from_masks(masks: torch.Tensor) -> torch.Tensor:
    """Find the tight box of every mask.

    Args:
        masks: (P, H, W) uint8, any frame of pixels; what is not 0 is the target.

    Returns:
        (P, 4) float32 XYXY in the masks' frame.

    Raises:
        CobotError: a mask is empty.
    """
    sides = []
    for axis in (1, 2):  # over the rows: where along x; over the columns: where along y
        present = masks.amax(dim=axis) > 0
        if not bool(present.any(dim=1).all()):
            raise CobotError("a mask is empty and has no box: leave it out")
        size = present.shape[1]
        first = present.to(torch.uint8).argmax(dim=1)
        sides.append((first, size - present.flip(1).to(torch.uint8).argmax(dim=1)))
    (left, right), (top, bottom) = sides
    return torch.stack([left, top, right, bottom], dim=1).float()


def jitter_boxes(boxes: torch.Tensor, offsets: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Move the sides of boxes and keep what comes out a box inside of the image.

    Args:
        boxes: (P, 4) XYXY.
        offsets: (P, 4), added to x0, y0, x1, y1; pixels.
        size: rows and columns (h, w) of the area that boxes are clipped to.

    Returns:
        (P, 4): ordered (x0 < x1, y0 < y1), within ``[0, w] x [0, h]``, each side at least 1 pixel.
    """
    height, width = size
    limit = boxes.new_tensor([width, height])
    corners = (boxes + offsets).view(-1, 2, 2)
    low = torch.minimum(corners.amin(dim=1).clamp(min=0), limit)
    high = torch.minimum(corners.amax(dim=1).clamp(min=0), limit)
    middle = torch.minimum(((low + high) / 2 - 0.5).clamp(min=0), limit - 1)
    thin = high - low < 1
    return torch.cat([torch.where(thin, middle, low), torch.where(thin, middle + 1, high)], dim=1)


class BoxJitter(Randomizable, Transform):
    """Perturb boxes in the model frame, every side on its own, uniformly.

    Modes: ``outward`` moves each side out by 0..size; ``symmetric`` by -size..size, out or in;
    ``proportional`` by -size..size times the box's own side. Two modes keep a box's form:
    ``scale`` makes its sides ``size`` times as long around its middle, and ``shift`` moves it by
    ``size`` in a direction that is drawn. Numbers are drawn only in
    :meth:`randomize`; :func:`jitter_boxes` does the rest.

    Args:
        mode: one of ``outward``, ``symmetric``, ``proportional``.
        size: pixels at an image size of 1024, scaled by ``image_size / 1024``; for
            ``proportional`` a share between 0 and 1, for ``scale`` a factor. 0 leaves boxes
            unchanged, bit for bit.
        image_size: side S of SAM's input, in pixels.

    Raises:
        CobotError: unknown mode, or a size that is no such number.
    """

    def __init__(
        self, mode: str = "outward", size: float = 50, image_size: int = REFERENCE_SIZE
    ) -> None:
        if mode not in MODES:
            raise CobotError(f"unknown box jitter mode {mode!r}: choose one of {', '.join(MODES)}")
        if isinstance(size, bool) or not isinstance(size, int | float) or not 0 <= size < 1e6:
            raise CobotError(f"box jitter size {size!r} is no number of at least 0 (0: exact)")
        if mode == "proportional" and size > 1:
            raise CobotError(
                f"box jitter size {size} with mode proportional: give a share of the box's side "
                "between 0 and 1, or choose outward or symmetric for pixels"
            )
        self.mode, self.size, self.image_size = mode, float(size), image_size
        self._uniform = torch.zeros(0, 4)

    @classmethod
    def from_mapping(
        cls, mapping: Mapping[str, Any] | None, image_size: int = REFERENCE_SIZE
    ) -> BoxJitter:
        """Read a configuration's ``{mode: ..., size: ...}``; None means exact boxes.

        Raises:
            CobotError: no mapping, an unknown key, or what the class itself refuses.
        """
        if mapping is None:
            return cls(size=0, image_size=image_size)
        if not isinstance(mapping, Mapping) or not set(mapping) <= {"mode", "size"}:
            raise CobotError(
                f"box jitter {mapping!r} is not understood: give {{mode: outward, size: 50}} "
                f"with mode one of {', '.join(MODES)}"
            )
        return cls(**mapping, image_size=image_size)

    def randomize(self, data: torch.Tensor) -> None:
        """Draw four numbers in [0, 1) for each of the boxes ``data`` (P, 4)."""
        self._uniform = torch.as_tensor(self.R.random_sample((len(data), 4)))

    def __call__(self, boxes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Perturb boxes (P, 4) XYXY, model frame, clipped to the resized area ``size`` (h, w)."""
        if self.size == 0:
            return boxes
        self.randomize(boxes)
        uniform = self._uniform.to(boxes)
        outwards = boxes.new_tensor([-1, -1, 1, 1])
        if self.mode == "proportional":
            reach = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2) * self.size
        else:
            reach = torch.full_like(boxes, self.size * self.image_size / REFERENCE_SIZE)
        if self.mode == "scale":
            sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
            return jitter_boxes(boxes, outwards * sides * (self.size - 1) / 2, size)
        if self.mode == "shift":
            angle = 2 * torch.pi * uniform[:, :1]
            direction = torch.cat([angle.cos(), angle.sin()], dim=1).repeat(1, 2)
            return jitter_boxes(boxes, direction * reach, size)
        share = uniform if self.mode == "outward" else 2 * uniform - 1
        return jitter_boxes(boxes, outwards * share * reach, size)

    def __str__(self) -> str:
        """Say it as the tables do: ``exact``, ``outward 50 px at 1024``, ``scale 1.5``."""
        if self.size == 0:
            return "exact"
        unit = "" if self.mode in ("proportional", "scale") else f" px at {REFERENCE_SIZE}"
        return f"{self.mode} {self.size:g}{unit}"
