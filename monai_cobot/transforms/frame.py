"""The door between the slice frame and SAM's square input (model frame)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from monai_cobot.errors import CobotError

#: Mean and deviation of SAM's training images, 0..255, as in segment-anything's ``build_sam``.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class SAMFrame:
    """One slice's way into SAM's input and back.

    The longest side is resized to ``image_size``, then zeros are appended at the bottom and on
    the right, *after* normalisation. Boxes are XYXY, x a column and y a row, pixel edges, half
    open: ``[x0, y0, x1, y1]`` covers the pixels ``[y0:y1, x0:x1]``; so scaling multiplies and
    adds nothing.

    Args:
        height: rows H of the slice.
        width: columns W of the slice.
        image_size: side S of SAM's square input, in pixels.

    Raises:
        CobotError: a side is less than one pixel.
    """

    height: int
    width: int
    image_size: int

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.image_size) < 1:
            raise CobotError(
                f"a slice of {self.height} x {self.width} does not fit image_size "
                f"{self.image_size}: all three are at least 1 pixel"
            )

    @property
    def resized(self) -> tuple[int, int]:
        """Rows and columns (h, w) that the slice takes of the model frame, padding not counted."""
        longest = max(self.height, self.width)
        return (
            max(1, int(self.height * self.image_size / longest + 0.5)),
            max(1, int(self.width * self.image_size / longest + 0.5)),
        )

    def boxes_to_model(self, boxes: torch.Tensor) -> torch.Tensor:
        """Bring boxes (P, 4) XYXY from the slice frame into the model frame."""
        return (boxes.double() * self._factors(boxes)).to(boxes.dtype)

    def boxes_to_slice(self, boxes: torch.Tensor) -> torch.Tensor:
        """Bring boxes (P, 4) XYXY from the model frame back into the slice frame."""
        return (boxes.double() / self._factors(boxes)).to(boxes.dtype)

    def image_to_model(self, image: torch.Tensor) -> torch.Tensor:
        """Resize (bilinear, antialiased), normalise and pad an image.

        Args:
            image: (1 or 3, H, W), 0..255, slice frame, any dtype. One channel is repeated.

        Returns:
            (3, S, S) float32, model frame, normalised, zero where padded.

        Raises:
            CobotError: the image has another size or number of channels.
        """
        if image.shape[0] not in (1, 3) or tuple(image.shape[1:]) != (self.height, self.width):
            raise CobotError(
                f"expected an image (1 or 3, {self.height}, {self.width}), "
                f"got {tuple(image.shape)}: SAM takes grey or RGB slices of the frame's own size"
            )
        pixels = image[None].float()
        height, width = self.resized
        if self.resized != (self.height, self.width):
            # Where nothing shrinks there is nothing to smooth, and the plain kernel is faster.
            shrinks = height < self.height or width < self.width
            pixels = F.interpolate(
                pixels, self.resized, mode="bilinear", align_corners=False, antialias=shrinks
            )
        mean, std = (pixels.new_tensor(v).view(3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
        model = (pixels[0] - mean).div_(std)
        right, below = self.image_size - width, self.image_size - height
        return F.pad(model, (0, right, 0, below)) if right or below else model

    def label_to_model(self, label: torch.Tensor) -> torch.Tensor:
        """Resize (nearest pixel centre) integers (..., H, W) and pad them with 0 to (..., S, S).

        A structure thinner than a model pixel may vanish: see :meth:`masks_to_model`.
        """
        height, width = self.resized
        if self.resized == (self.height, self.width):
            return F.pad(label, (0, self.image_size - width, 0, self.image_size - height))
        rows, columns = self._nearest(0, label), self._nearest(1, label)
        model = label.new_zeros(*label.shape[:-2], self.image_size, self.image_size)
        if height < self.height:  # columns are the slow ones: take them where there are few rows
            model[..., :height, :width] = _columns(label.index_select(-2, rows), columns)
        else:
            model[..., :height, :width] = _columns(label, columns).index_select(-2, rows)
        return model

    @property
    def samples_all(self) -> bool:
        """Whether each pixel of the slice lies under the centre of a model's, so none is lost."""
        return self.resized[0] >= self.height and self.resized[1] >= self.width

    def masks_to_model(self, masks: torch.Tensor) -> torch.Tensor:
        """Bring binary masks into the model frame.

        A mask that falls between the sampled pixels keeps the model pixels that its own pixels'
        centres fall into, so that none is lost.

        Args:
            masks: (P, H, W) uint8, 0 or 1, slice frame.

        Returns:
            (P, S, S) uint8, 0 or 1, model frame; empty where a mask is.
        """
        model = self.label_to_model(masks)
        if self.samples_all:  # to look for lost ones would make a GPU wait
            return model
        height, width = self.resized
        for lost in torch.nonzero(model.flatten(1).amax(dim=1) == 0)[:, 0].tolist():
            rows, columns = torch.nonzero(masks[lost], as_tuple=True)
            rows = (2 * rows + 1) * height // (2 * self.height)
            model[lost, rows, (2 * columns + 1) * width // (2 * self.width)] = 1
        return model

    def logits_to_slice(self, logits: torch.Tensor) -> torch.Tensor:
        """Crop the padding and resize logits (P, S, S) of the model frame to (P, H, W), bilinear.

        As in SAM's own post-processing, logits are interpolated, and thresholded after that.
        """
        height, width = self.resized
        cropped = logits[None, :, :height, :width]
        if self.resized == (self.height, self.width):
            return cropped[0]
        if not len(logits):  # which interpolate refuses
            return logits.new_zeros(0, self.height, self.width)
        size = (self.height, self.width)
        return F.interpolate(cropped, size, mode="bilinear", align_corners=False)[0]

    def _factors(self, boxes: torch.Tensor) -> torch.Tensor:
        height, width = self.resized
        y, x = height / self.height, width / self.width
        return torch.tensor([x, y, x, y], dtype=torch.float64, device=boxes.device)

    def _nearest(self, axis: int, like: torch.Tensor) -> torch.Tensor:
        """Indices of the slice's pixels under the centres of the model's, along one axis."""
        old, new = (self.height, self.width)[axis], self.resized[axis]
        return (2 * torch.arange(new, device=like.device) + 1) * old // (2 * new)


def _columns(label: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Take columns of (..., H, W): what ``index_select`` gives, on a CPU in a fifth of the time."""
    return label.gather(-1, places.expand(*label.shape[:-1], -1))
