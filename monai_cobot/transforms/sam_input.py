"""MONAI transforms from a slice or picture and its truth to what SAM is trained on.

Volumes bring a label map, pictures bring masks; from the masks on there is one path. Array classes
hold the logic, dictionary classes hold the array classes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform, Randomizable, Transform

from monai_cobot.errors import require_whole
from monai_cobot.transforms.boxes import BoxJitter, boxes_from_masks, masks_from_label
from monai_cobot.transforms.compose import UserCompose
from monai_cobot.transforms.frame import SAMFrame
from monai_cobot.transforms.mask_runs import MaskRuns, mask_parts
from monai_cobot.transforms.model_masks import LabelMasks, ModelMasks


class MasksFromLabel(Transform):
    """Masks of all organs of a slice: label (1, H, W) to masks (P, H, W) and organs (P,)."""

    def __call__(self, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See :func:`~monai_cobot.transforms.boxes.masks_from_label`; slice frame."""
        return masks_from_label(label[0])


class MasksFromLabeld(MapTransform):
    """Dictionary form of :class:`MasksFromLabel`: ``label`` becomes ``masks`` and ``organs``.

    Args:
        keys: the label's key. A sample without it, as pictures are, has its masks already and
            passes. ``found_boxes``, a :class:`~monai_cobot.transforms.boxes.FoundBoxes`, spares
            the search where they are of this label.
        deferred: the masks are :class:`~monai_cobot.transforms.model_masks.LabelMasks`, made when
            they are needed.
    """

    def __init__(self, keys: Hashable = "label", deferred: bool = False) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.transform = MasksFromLabel()
        self.deferred = deferred

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the label of the sample by its organs' masks."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            label, found = sample.pop(key), sample.pop("found_boxes", None)
            if self.deferred:
                sample["masks"] = LabelMasks.of_slice(label, found)
                sample["organs"] = sample["masks"].organs
            else:
                sample["masks"], sample["organs"] = self.transform(label)
        return sample


class OrganMasksd(MapTransform):
    """Add ``organ_masks``: one mask an organ of the table, the union of its targets.

    Args:
        keys: the masks' key, (P, H, W) with ``organs`` (P,) beside it; slice frame.
        labels: label values of the organ table, in its order.
    """

    def __init__(self, keys: Hashable, labels: Sequence[int]) -> None:
        super().__init__(keys)
        self.labels = torch.tensor(list(labels))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add (K, H, W) uint8, 0 or 1, empty where an organ is absent."""
        sample = dict(data)
        masks = sample[self.first_key(sample)]
        if isinstance(masks, LabelMasks):
            sample["organ_masks"] = LabelMasks(masks.label, self.labels)
            return sample
        found = torch.zeros(len(self.labels), *masks.shape[1:], dtype=torch.uint8)
        for mask, organ in zip(masks, sample["organs"], strict=True):
            found[self.labels == organ] |= mask
        sample["organ_masks"] = found
        return sample


class RandTargetsd(Randomizable, MapTransform):
    """Keep a random choice of at most so many targets, in their order.

    Args:
        keys: what has an entry a target, along its first axis; the first key is always there.
        most: how many are kept.

    Raises:
        CobotError: ``most`` is no whole number of at least 1.
    """

    def __init__(self, keys: Sequence[Hashable], most: int) -> None:
        super().__init__(keys, allow_missing_keys=True)
        require_whole("max_instances", most)
        self.most = most
        self._chosen = torch.zeros(0, dtype=torch.int64)

    def randomize(self, data: int) -> None:
        """Choose among ``data`` targets."""
        self._chosen = torch.as_tensor(np.sort(self.R.permutation(data)[: self.most]))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Choose the sample's targets."""
        sample = dict(data)
        count = len(sample[self.first_key(sample)])
        if count <= self.most:
            return sample
        self.randomize(count)
        for key in self.key_iterator(sample):
            sample[key] = sample[key][self._chosen]
        return sample


class BoxesFromMasksd(MapTransform):
    """Add ``boxes`` (P, 4), tight around the masks (P, H, W); slice frame.

    Args:
        keys: the masks' key.
    """

    def __init__(self, keys: Hashable = "masks") -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the boxes; see :func:`~monai_cobot.transforms.boxes.boxes_from_masks`."""
        sample = dict(data)
        masks = sample[self.first_key(sample)]
        if isinstance(masks, LabelMasks) and masks.boxes is not None:
            sample["boxes"] = masks.boxes
            return sample
        boxes = [boxes_from_masks(part) for part in mask_parts(masks)]
        sample["boxes"] = torch.cat(boxes) if boxes else torch.zeros(0, 4)
        return sample


class ToSAMInput(Transform):
    """Bring a slice or picture, its targets' masks and its boxes into the model frame.

    Args:
        image_size: side S of SAM's input, in pixels.
    """

    def __init__(self, image_size: int) -> None:
        self.image_size = image_size

    def frame(self, image: torch.Tensor) -> SAMFrame:
        """Give the frame of an image (..., H, W)."""
        return SAMFrame(int(image.shape[-2]), int(image.shape[-1]), self.image_size)

    def __call__(
        self, image: torch.Tensor, masks: torch.Tensor | MaskRuns, boxes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | MaskRuns, torch.Tensor]:
        """Convert one slice or picture.

        Args:
            image: (1 or 3, H, W), 0..255, slice frame.
            masks: (P, H, W) uint8, 0 or 1, slice frame; a tensor or run lengths.
            boxes: (P, 4) XYXY, slice frame.

        Returns:
            image (3, S, S) float32 normalised and padded, target (P, S, S) uint8 of the kind of the
            masks, boxes (P, 4); all in the model frame.
        """
        frame = self.frame(image)
        target: torch.Tensor | MaskRuns
        if isinstance(masks, MaskRuns):
            size = (self.image_size, self.image_size)
            target = MaskRuns((frame.masks_to_model(mask[None])[0].numpy() for mask in masks), size)
        else:
            target = frame.masks_to_model(masks)
        return (
            frame.image_to_model(image),
            target,
            frame.boxes_to_model(boxes),
        )


class ToSAMInputd(Transform):
    """Dictionary form of :class:`ToSAMInput`.

    ``image``, ``masks`` and ``boxes`` become ``image``, ``target`` and ``boxes``.
    ``organ_masks`` (K, H, W), where there are any, become ``organ_target`` (K, S, S).
    ``original_size`` (H, W) and ``input_size`` (h, w), the area without padding, are added under
    the names that segment-anything uses.

    Args:
        image_size: side S of SAM's input, in pixels.
        deferred: only the boxes are converted. ``image`` stays as it is, ``target`` and
            ``organ_target`` are :class:`~monai_cobot.transforms.model_masks.ModelMasks`, and
            ``frame`` says how: :func:`~monai_cobot.inferers.prepare_slices` does the rest on the
            device.
    """

    def __init__(self, image_size: int, deferred: bool = False) -> None:
        self.transform = ToSAMInput(image_size)
        self.deferred = deferred

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the slice-frame entries of the sample by those of the model frame."""
        sample = dict(data)
        image = sample["image"]
        frame = self.transform.frame(image)
        if self.deferred:
            sample["boxes"] = frame.boxes_to_model(sample["boxes"])
            sample["target"] = ModelMasks(sample.pop("masks"), frame)
            sample["frame"] = frame
        else:
            sample["image"], sample["target"], sample["boxes"] = self.transform(
                image, sample.pop("masks"), sample["boxes"]
            )
        if "organ_masks" in sample:
            masks = sample.pop("organ_masks")
            sample["organ_target"] = (
                ModelMasks(masks, frame) if self.deferred else frame.masks_to_model(masks)
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
        self.transform.set_random_state(seed, state)
        self.R = self.transform.R  # one generator: a seed takes as long as to read a slice
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Perturb the sample's boxes."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = self.transform(sample[key], sample["input_size"])
        return sample


def slice_transforms(
    image_size: int,
    box_jitter: Mapping[str, Any] | BoxJitter | None = None,
    max_instances: int | None = None,
    organ_labels: Sequence[int] | None = None,
    deferred: bool = False,
) -> UserCompose:
    """Everything between a slice with its label, or a picture with its masks, and a sample.

    Args:
        image_size: side S of SAM's input, in pixels.
        box_jitter: ``{mode: ..., size: ...}``, a BoxJitter, or None for exact boxes.
        max_instances: a random choice of at most so many targets is kept; None keeps all.
        organ_labels: label values of the organ table, for learned organ prompts; None without.
        deferred: leave image and masks for the device, see :class:`ToSAMInputd`: a sample costs a
            thousandth of a second, and little memory.

    Returns:
        A MONAI Compose on dictionaries, seeded by its ``set_random_state``: ``image`` (1 or 3, H,
        W) 0..255 and either ``label`` (1, H, W) or ``masks`` (P, H, W) with ``organs`` (P,), slice
        frame, become ``image`` (3, S, S), ``target`` (P, S, S), ``boxes`` (P, 4) and ``organs``
        (P,), model frame; with ``organ_labels`` ``organ_target`` (K, S, S) too. What else there is
        stays.

    Raises:
        CobotError: box_jitter or max_instances is not understood.
    """
    if not isinstance(box_jitter, BoxJitter):
        box_jitter = BoxJitter.from_mapping(box_jitter, image_size)
    chosen: list[Transform] = []
    if organ_labels is not None:
        chosen = [OrganMasksd("masks", organ_labels)]
    if max_instances is not None:
        chosen += [RandTargetsd(("masks", "organs", "instances"), max_instances)]
    return UserCompose(
        [
            MasksFromLabeld("label", deferred),
            *chosen,
            BoxesFromMasksd("masks"),
            ToSAMInputd(image_size, deferred),
            BoxJitterd("boxes", box_jitter),
        ]
    )
