"""Pictures as batches of one, with their boxes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from monai_cobot.errors import CobotError
from monai_cobot.inferers.detections import DetectedBoxes
from monai_cobot.inferers.named_cases import check_named_cases
from monai_cobot.inferers.volume import KINDS, NO_BOX
from monai_cobot.transforms import BoxPrompt, Prompt, SlicePrompts, load_prompts

LOGGER = logging.getLogger(__name__)
Item = Mapping[str, Any]


class PictureBoxes:
    """The boxes that a prompts file gives for pictures.

    Here ``slice`` is 0, and ``box`` is x0, y0, x1, y1 in pixel edges, half open, x along the
    columns and y along the rows of the picture as it is stored.

    Args:
        path: the JSON file; see ``transforms/prompts_file.py`` for its schema.
        organs: name to label value of the classes.

    Raises:
        CobotError: as :func:`load_prompts`; or a mask, or a box that propagates.
    """

    name = "boxes of a prompts file"

    def __init__(self, path: str | Path, organs: Mapping[str, int]) -> None:
        self.path = Path(path).expanduser()
        self.prompts = {
            case: [_plain_box(prompt) for prompt in prompts]
            for case, prompts in load_prompts(self.path, organs).items()
        }

    def check(self, cases: Sequence[Item]) -> None:
        """Holds the boxes against the pictures; the log tells which have none.

        Raises:
            CobotError: a case that is not among the pictures, or a box outside of its picture.
        """
        check_named_cases(self.path, self.prompts, cases)
        for case in cases:
            with Image.open(case["image"]) as picture:
                width, height = picture.size
            for prompt in self.prompts.get(str(case["case"]), ()):
                _check_inside(prompt, width, height)

    def __call__(self, item: Item) -> SlicePrompts:
        """Boxes of one picture, as of a slice 0; none where the file does not name it."""
        prompts = self.prompts.get(str(item["case"]), ())
        if not prompts:
            return {}
        boxes = torch.tensor([prompt.box for prompt in prompts], dtype=torch.float32)
        return {0: (boxes, torch.tensor([prompt.organ for prompt in prompts]))}


class PictureCollate:
    """Turns a loader's list of one picture into what :class:`PromptedImageInferer` is given.

    The batch has ``image`` (1, 1 or 3, H, W); ``boxes`` (P, 4) and ``organs`` (P,), slice frame;
    ``case``, ``patient``; ``source``, the path. Where there is a truth, ``label`` (N, H, W) uint8
    holds that of every answer, in the order of the inferer's: a mask a box, then a mask an organ
    of the table; and ``instances`` (P,) their numbers. Where a detector gave the boxes, ``scores``
    (P,) are its.

    Args:
        boxes: gives a picture's boxes.
        prompts: ``box``, ``organ`` or ``both``, as the inferer has it.
        organ_labels: label values of the organ table, for organ prompts.
    """

    def __init__(
        self,
        boxes: Callable[[Item], SlicePrompts],
        prompts: str = "box",
        organ_labels: Sequence[int] = (),
    ) -> None:
        self.boxes, self.kinds, self.organ_labels = boxes, KINDS[prompts], list(organ_labels)

    def __call__(self, items: Sequence[Item]) -> dict[str, Any]:
        """Collates; CobotError for more than one picture."""
        if len(items) != 1:
            raise CobotError(f"{len(items)} pictures in a batch: set batch_size: 1")
        item = items[0]
        boxes, organs = self.boxes(item).get(0, NO_BOX)
        batch = {
            "image": item["image"][None],
            "boxes": boxes,
            "organs": organs,
            **{key: str(item[key]) for key in ("case", "patient", "source")},
        }
        if isinstance(self.boxes, DetectedBoxes):
            batch["scores"] = self.boxes.scores(str(item["case"]))
        if "masks" in item:
            batch["instances"] = item["instances"].tolist()
            batch["label"] = self._truth(item["masks"], item["organs"])
        return batch

    def _truth(self, masks: torch.Tensor, organs: torch.Tensor) -> torch.Tensor:
        parts = [masks] if "box" in self.kinds else []
        if "organ" in self.kinds:
            found = masks.new_zeros(len(self.organ_labels), *masks.shape[1:])
            for mask, organ in zip(masks, organs.tolist(), strict=True):
                found[self.organ_labels.index(organ)] |= mask
            parts.append(found)
        return torch.cat(parts)


def prepare_picture(
    batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **_: Any
) -> tuple[torch.Tensor, torch.Tensor | None, tuple[()], dict[str, Any]]:
    """MONAI's ``prepare_batch`` for evaluators: picture, truth, and the inferer's arguments."""
    label = batch.get("label")
    return (
        batch["image"].to(device, non_blocking=non_blocking),
        None if label is None else label.to(device, non_blocking=non_blocking),
        (),
        {"boxes": batch["boxes"], "case": batch["case"]},
    )


def masks_as_items(output: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """An engine's output for MONAI's metrics: an answer an item, (N, 1, H, W) each.

    A picture without any gives one item that is empty in both, which MONAI's means leave out; its
    metrics cannot be asked about nothing.
    """
    pred, label = output["pred"][:, None], output["label"][:, None]
    if len(pred) == 0:
        nothing = pred.new_zeros(1, *pred.shape[1:])
        return nothing, nothing
    return pred, label


def _plain_box(prompt: Prompt) -> BoxPrompt:
    if not isinstance(prompt, BoxPrompt) or prompt.propagate:
        raise CobotError(
            f"{prompt.place}: a picture has one slice: give boxes that do not propagate"
        )
    return prompt


def _check_inside(prompt: BoxPrompt, width: int, height: int) -> None:
    x0, y0, x1, y1 = prompt.box
    if prompt.slice != 0:
        raise CobotError(f"{prompt.place}: slice {prompt.slice} of a picture: give slice 0")
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise CobotError(
            f"{prompt.place}: box {list(prompt.box)} is empty or reaches outside: give 0 <= x0 < "
            f"x1 <= {width} and 0 <= y0 < y1 <= {height}, in pixel edges"
        )
