"""MONAI transforms from a slice and its label to what SAM is trained on.

Array classes hold the logic, dictionary classes hold the array classes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform, Randomizable, Transform

from monai_cobot.transforms.boxes import BoxJitter, boxes_from_label
from monai_cobot.transforms.compose import UserCompose
from monai_cobot.transforms.frame import SAMFrame


class BoxesFromLabel(Transform):
    """Tight boxes of all organs of a slice: label (1, H, W) to boxes (P, 4) and organs (P,)."""

    def __call__(self, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See :func:`~monai_cobot.transforms.boxes.boxes_from_label`; slice frame."""
        return boxes_from_label(label[0])


class BoxesFromLabeld(MapTransform):
    """Dictionary form of :class:`BoxesFromLabel`; adds ``boxes`` and ``organs``, slice frame.

    Args:
        keys: the label's key.
    """

    def __init__(self, keys: Hashable = "label") -> None:
        super().__init__(keys)
        self.transform = BoxesFromLabel()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the label's boxes and organs to the sample."""
        sample = dict(data)
        sample["boxes"], sample["organs"] = self.transform(sample[self.first_key(sample)])
        return sample


class ToSAMInput(Transform):
    """Bring a slice, its organs' masks and its boxes into the model frame.

    Args:
        image_size: side S of SAM's input, in pixels.
    """

    def __init__(self, image_size: int) -> None:
        self.image_size = image_size

    def frame(self, image: torch.Tensor) -> SAMFrame:
        """Give the frame of an image (..., H, W)."""
        return SAMFrame(int(image.shape[-2]), int(image.shape[-1]), self.image_size)

    def __call__(
        self, image: torch.Tensor, label: torch.Tensor, boxes: torch.Tensor, organs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Convert one slice.

        Args:
            image: (1 or 3, H, W), 0..255, slice frame.
            label: (1, H, W) integer, slice frame.
            boxes: (P, 4) XYXY, slice frame.
            organs: (P,) label values, one a box.

        Returns:
            image (3, S, S) float32 normalised and padded, target (P, S, S) uint8, boxes (P, 4);
            all in the model frame.
        """
        frame = self.frame(image)
        return (
            frame.image_to_model(image),
            frame.masks_to_model(label[0], organs),
            frame.boxes_to_model(boxes),
        )


class ToSAMInputd(Transform):
    """Dictionary form of :class:`ToSAMInput`.

    ``image``, ``label``, ``boxes`` and ``organs`` become ``image``, ``target``, ``boxes`` and
    ``organs``. ``original_size`` (H, W) and ``input_size`` (h, w), the area without padding, are
    added under the names that segment-anything uses.

    Args:
        image_size: side S of SAM's input, in pixels.
    """

    def __init__(self, image_size: int) -> None:
        self.transform = ToSAMInput(image_size)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the slice-frame entries of the sample by those of the model frame."""
        sample = dict(data)
        image = sample["image"]
        frame = self.transform.frame(image)
        sample["image"], sample["target"], sample["boxes"] = self.transform(
            image, sample.pop("label"), sample["boxes"], sample["organs"]
        )
        sample["original_size"] = (frame.height, frame.width)
        sample["input_size"] = frame.resized
        return sample


class BoxJitterd(Randomizable, MapTransform):
    """Dictionary form of :class:`~monai_cobot.transforms.boxes.BoxJitter`, after ToSAMInputd.

    Args:
        keys: the boxes' key; boxes (P, 4) XYXY in the model frame.
        jitter: the array transform. Boxes are clipped to the sample's ``input_size``.
    """

    def __init__(self, keys: Hashable, jitter: BoxJitter) -> None:
        super().__init__(keys)
        self.transform = jitter

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> BoxJitterd:
        """Hand seed or state over to the array transform, which alone draws."""
        super().set_random_state(seed, state)
        self.transform.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Perturb the sample's boxes."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = self.transform(sample[key], sample["input_size"])
        return sample


def slice_transforms(
    image_size: int, box_jitter: Mapping[str, Any] | BoxJitter | None = None
) -> UserCompose:
    """Everything between a slice with its label and a training sample.

    Args:
        image_size: side S of SAM's input, in pixels.
        box_jitter: ``{mode: ..., size: ...}``, a BoxJitter, or None for exact boxes.

    Returns:
        A MONAI Compose on dictionaries: ``image`` (1, H, W) 0..255 and ``label`` (1, H, W), slice
        frame, become ``image`` (3, S, S), ``target`` (P, S, S), ``boxes`` (P, 4) and ``organs``
        (P,), model frame.

    Raises:
        CobotError: box_jitter is not understood.
    """
    if not isinstance(box_jitter, BoxJitter):
        box_jitter = BoxJitter.from_mapping(box_jitter, image_size)
    return UserCompose(
        [BoxesFromLabeld("label"), ToSAMInputd(image_size), BoxJitterd("boxes", box_jitter)]
    )
