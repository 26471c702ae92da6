"""Whole volumes as batches of one, with the prompts of their slices."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import nibabel as nib
import torch
from monai.data import MetaTensor

from monai_cobot.errors import CobotError
from monai_cobot.inferers.named_cases import check_named_cases
from monai_cobot.transforms import (
    BoxPrompt,
    Prompt,
    SlicePrompts,
    Start,
    boxes_from_masks,
    load_prompts,
    prompts_from_label,
    prompts_to_slices,
    prompts_to_starts,
    slices_to_volume,
    source_geometry,
    volume_to_slices,
    voxel_spacing,
)

LOGGER = logging.getLogger(__name__)
Item = Mapping[str, Any]


class OracleBoxes:
    """Tight boxes of the truth's organs, slice by slice: an upper bound, called oracle boxes."""

    name = "oracle boxes"

    def __call__(self, item: Item) -> SlicePrompts:
        """Prompts of one item with ``label``, or of a picture with ``masks`` (as of a slice 0).

        Raises:
            CobotError: it has neither.
        """
        if "masks" in item:
            boxes = boxes_from_masks(item["masks"])
            return {0: (boxes, item["organs"])} if len(boxes) else {}
        if "label" not in item:
            raise CobotError(
                f"case {item['case']} has neither truth nor prompts: give its boxes in a "
                "prompts_file"
            )
        return prompts_from_label(item["label"])

    def starts(self, item: Item) -> list[Start]:
        """Nothing is carried from slice to slice: every slice has its boxes."""
        return []


class NoBoxes:
    """No boxes at all, for learned organ prompts."""

    name = "learned organ prompts"

    def __call__(self, item: Item) -> SlicePrompts:
        """No prompts."""
        return {}

    def starts(self, item: Item) -> list[Start]:
        """Nothing to follow."""
        return []


class FileBoxes:
    """The prompts that a file gives; see ``transforms/prompts_file.py`` for its schema.

    Args:
        path: the JSON file.
        organs: name to label value.
    """

    name = "boxes of a prompts file"

    def __init__(self, path: str | Path, organs: Mapping[str, int]) -> None:
        self.path = Path(path).expanduser()
        self.prompts = load_prompts(self.path, organs)

    def check(self, cases: Sequence[Item]) -> None:
        """Holds the prompts against the images' headers; the log tells which cases have none.

        Raises:
            CobotError: a case that is not among the images, a box outside of its image, or a mask
                file that does not fit its image.
        """
        check_named_cases(self.path, self.prompts, cases)
        for case in cases:
            image = nib.load(case["image"])
            prompts_to_slices(self._boxes(case), image.affine, image.shape[:3])
            prompts_to_starts(self._prompts(case), image.affine, image.shape[:3])

    def __call__(self, item: Item) -> SlicePrompts:
        """Prompts of one item's slices; none where the file does not name its case."""
        return prompts_to_slices(self._boxes(item), *source_geometry(item["image"]))

    def starts(self, item: Item) -> list[Start]:
        """Where the organs of one item are known that are to be followed through the volume."""
        return prompts_to_starts(self._prompts(item), *source_geometry(item["image"]))

    def _prompts(self, item: Item) -> list[Prompt]:
        return self.prompts.get(str(item["case"]), [])

    def _boxes(self, item: Item) -> list[BoxPrompt]:
        """Those that stay on their slice."""
        return [p for p in self._prompts(item) if isinstance(p, BoxPrompt) and not p.propagate]


class Prompts(Protocol):
    """What gives an item's prompts: :class:`OracleBoxes`, :class:`FileBoxes`, or another."""

    def __call__(self, item: Item) -> SlicePrompts:
        """Prompts of the item's slices."""

    def starts(self, item: Item) -> list[Start]:
        """Where organs are known that are to be followed."""


class VolumeCollate:
    """Turns a loader's list of one item into what :class:`PromptedVolumeInferer` is given.

    The batch has ``image`` and, where there is a truth, ``label`` (1, 1, X, Y, Z), voxel frame,
    plain tensors; ``prompts`` and ``starts``; ``case``, ``patient``; ``source``, the path of the
    image; ``spacing``, mm along X, Y and Z; ``slices``, those of an item of a split by slice, else
    None: the truth on other slices is taken out.

    Args:
        boxes: gives an item's prompts.
    """

    def __init__(self, boxes: Prompts) -> None:
        self.boxes = boxes

    def __call__(self, items: Sequence[Item]) -> dict[str, Any]:
        """Collates; CobotError for more than one volume."""
        if len(items) != 1:
            raise CobotError(f"{len(items)} volumes in a batch: set batch_size: 1")
        item = dict(items[0])
        image: MetaTensor = item["image"]
        batch = {
            "image": image.as_tensor()[None],
            "case": str(item["case"]),
            "patient": str(item["patient"]),
            "source": str(image.meta["filename_or_obj"]),
            "spacing": voxel_spacing(image),
        }
        if "label" in item:
            item["label"] = _only(item["label"].as_tensor(), item.get("slices"))
            batch["label"] = item["label"][None]
        return {
            **batch,
            "prompts": self.boxes(item),
            "starts": self.boxes.starts(item),
            "slices": item.get("slices"),
        }


def prepare_volume(
    batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **_: Any
) -> tuple[torch.Tensor, torch.Tensor | None, tuple[()], dict[str, Any]]:
    """MONAI's ``prepare_batch`` for evaluators: image, truth, and the inferer's arguments."""
    label = batch.get("label")
    return (
        batch["image"].to(device, non_blocking=non_blocking),
        None if label is None else label.to(device, non_blocking=non_blocking),
        (),
        {key: batch[key] for key in ("prompts", "starts", "spacing", "slices", "case")},
    )


def prepare_slices(
    batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **_: Any
) -> tuple[torch.Tensor, None, tuple[()], dict[str, Any]]:
    """MONAI's ``prepare_batch`` for trainers of a network that has its loss in it.

    Samples that were deferred are brought into the model frame here, on the device.

    Returns:
        images (B, 3, S, S); no label; and as keyword arguments ``boxes`` and ``targets`` of each
        image, with ``organ_targets`` (B, K, S, S) where the samples have them, and ``pixels``, the
        images as they were, of samples that were deferred. The targets are bytes, and the network
        takes them chunk by chunk.
    """
    image, targets = batch["image"], list(batch["target"])
    organs = list(batch.get("organ_target", ()))
    if "frame" in batch:
        moved = [each.to(device, non_blocking=non_blocking) for each in image]
        pairs = zip(batch["frame"], moved, strict=True)
        in_frame = [frame.image_to_model(each) for frame, each in pairs]
        # One image needs no copy, which at 1024 takes as long as to resize it.
        image = torch.stack(in_frame) if len(in_frame) > 1 else in_frame[0][None]
        targets = [target.to(device) for target in targets]
        organs = [target.to(device).stacked() for target in organs]
    prompts: dict[str, Any] = {
        "boxes": [boxes.to(device, non_blocking=non_blocking) for boxes in batch["boxes"]],
        "targets": targets,
    }
    if "frame" in batch:
        prompts["pixels"] = list(batch["image"])
    if organs:
        prompts["organ_targets"] = torch.stack(organs).to(device, non_blocking=non_blocking)
    return image.to(device, non_blocking=non_blocking), None, (), prompts


def take_loss(loss: torch.Tensor, label: None) -> torch.Tensor:
    """MONAI's ``loss_function`` for a network that has its loss in it."""
    return loss


def _only(label: torch.Tensor, slices: Sequence[int] | None) -> torch.Tensor:
    """The label (1, X, Y, Z) with other slices than these set to background."""
    if slices is None:
        return label
    stack = volume_to_slices(label).clone()
    others = torch.ones(len(stack), dtype=torch.bool)
    others[list(slices)] = False
    stack[others] = 0
    return slices_to_volume(stack)
