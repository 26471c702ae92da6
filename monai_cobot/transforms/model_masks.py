"""Masks that are made when they are needed, where they are needed: on the device, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import torch

from monai_cobot.errors import CobotError
from monai_cobot.transforms.boxes import FoundBoxes, boxes_from_label, equal_to
from monai_cobot.transforms.frame import SAMFrame
from monai_cobot.transforms.mask_runs import MaskRuns


class LabelMasks(Sequence[torch.Tensor]):
    """The masks of a label map, of which only the map is kept.

    Args:
        label: (H, W) integer, slice frame.
        organs: (P,) label values, a mask each; None takes those that are in the map, ascending.
        boxes: of these organs, where they are known.

    Attributes:
        boxes: (P, 4) float32 XYXY, tight; None where organs were given without.

    Raises:
        CobotError: an organ that the label's type cannot hold.
    """

    def __init__(
        self,
        label: torch.Tensor,
        organs: torch.Tensor | None = None,
        boxes: torch.Tensor | None = None,
    ) -> None:
        self.label = label
        if organs is None:
            boxes, organs = boxes_from_label(label)
        self.organs, self.boxes = organs, boxes
        self._values = [int(organ) for organ in organs]
        lost = organs[organs.to(label.dtype).to(organs.dtype) != organs]
        if len(lost):  # it would become another's
            raise CobotError(
                f"organ {int(lost[0])} is no value of a label of {label.dtype}: give the label in "
                "a type that holds it, or another organ"
            )

    @classmethod
    def of_slice(cls, label: torch.Tensor, found: FoundBoxes | None = None) -> LabelMasks:
        """Of a label (1, H, W), whose boxes may have been found before."""
        if found is None or found.label is not label:
            return cls(label[0])
        return cls(label[0], found.organs, found.boxes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(P, H, W)."""
        return (len(self), int(self.label.shape[0]), int(self.label.shape[1]))

    def to(self, device: torch.device) -> LabelMasks:
        """The same on a device."""
        return LabelMasks(self.label.to(device), self.organs, self.boxes)

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, place: int) -> torch.Tensor: ...

    @overload
    def __getitem__(self, place: slice | torch.Tensor) -> LabelMasks: ...

    def __getitem__(self, place: int | slice | torch.Tensor) -> torch.Tensor | LabelMasks:
        if not isinstance(place, int):
            boxes = None if self.boxes is None else self.boxes[place]
            return LabelMasks(self.label, self.organs[place], boxes)
        found = torch.empty_like(self.label, dtype=torch.uint8)
        return torch.eq(self.label, self._values[place], out=found)

    def parts(self) -> Iterator[torch.Tensor]:
        """The masks (1, H, W) uint8, one at a time."""
        return (mask[None] for mask in self)


class ModelMasks(Sequence[torch.Tensor]):
    """Masks of the slice frame, brought into the model frame one by one.

    Args:
        masks: (P, H, W) uint8, 0 or 1, slice frame.
        frame: of their slice or picture.
        device: where they are made.
    """

    def __init__(
        self,
        masks: LabelMasks | MaskRuns | torch.Tensor,
        frame: SAMFrame,
        device: torch.device | None = None,
    ) -> None:
        self.masks, self.frame, self.device = masks, frame, device

    @property
    def shape(self) -> tuple[int, int, int]:
        """(P, S, S)."""
        return (len(self), self.frame.image_size, self.frame.image_size)

    def to(self, device: torch.device) -> ModelMasks:
        """The same, made on a device; run lengths are decoded before."""
        masks = self.masks if isinstance(self.masks, MaskRuns) else self.masks.to(device)
        return ModelMasks(masks, self.frame, device)

    def __len__(self) -> int:
        return len(self.masks)

    @overload
    def __getitem__(self, place: int) -> torch.Tensor: ...

    @overload
    def __getitem__(self, place: slice) -> ModelMasks: ...

    def __getitem__(self, place: int | slice) -> torch.Tensor | ModelMasks:
        if isinstance(place, slice):
            return ModelMasks(self.masks[place], self.frame, self.device)
        mask = self.masks[place]
        if self.device is not None:
            mask = mask.to(self.device)
        return self.frame.masks_to_model(mask[None])[0]

    def stacked(self) -> torch.Tensor:
        """All of them, (P, S, S) uint8."""
        if isinstance(self.masks, LabelMasks):
            return self._from_label(self.masks)
        if not len(self):
            return torch.zeros(self.shape, dtype=torch.uint8, device=self.device)
        return torch.stack(list(self))

    def _from_label(self, masks: LabelMasks) -> torch.Tensor:
        """Of a label map, which is resized once; what vanishes there is made by itself."""
        small = self.frame.label_to_model(masks.label[None])[0]
        found = equal_to(small, masks.organs)
        if self.frame.samples_all:
            return found
        for place in torch.nonzero(found.flatten(1).amax(dim=1) == 0)[:, 0].tolist():
            found[place] = self[place]
        return found
