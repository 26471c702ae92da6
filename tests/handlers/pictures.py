"""Pictures through the handlers, with masks and qualities that a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.inferers import OracleBoxes, PictureCollate
from monai_cobot.metrics import Run
from monai_cobot.transforms import image_transforms

RUN = Run("lora", True, 7, "f00d", "patient", 64, "small", "random", "exact")


class Inferer:
    """What the handlers ask of a ``PromptedImageInferer`` after a call."""

    kinds = ("box",)
    organ_labels = ()

    def __init__(self) -> None:
        self.quality = torch.zeros(0)

    def jittered_boxes(self, boxes: torch.Tensor, *_: Any) -> torch.Tensor:
        return boxes


def engines(
    cases: Iterable[Case],
    spec: DatasetSpec,
    answer: Callable[[np.ndarray], np.ndarray],
    boxes: Any = None,
) -> Iterable[Any]:
    """The engine after each picture; ``answer`` makes predictions (P, H, W) of the truths.

    The qualities are drawn, a float32 each, as SAM's are.
    """
    read, random = image_transforms(spec.labels), np.random.default_rng(3)
    collate, inferer = PictureCollate(boxes or OracleBoxes()), Inferer()
    for case in cases:
        batch = collate([read(case)])
        predictions = torch.from_numpy(answer(batch["label"].numpy()))
        quality = random.random(len(predictions)).astype(np.float32)
        inferer.quality = torch.from_numpy(quality)
        output = {"image": batch["image"], "pred": predictions, "label": batch["label"]}
        yield SimpleNamespace(state=SimpleNamespace(batch=batch, output=output), inferer=inferer)


def shifted(truths: np.ndarray) -> np.ndarray:
    """Masks that are right in part: each moved to the right by a twelfth of its width."""
    found = np.zeros_like(truths)
    for mask, truth in zip(found, truths, strict=True):
        width = np.ptp(np.flatnonzero(truth.any(axis=0))) + 1
        mask[:] = np.roll(truth, -(-width // 12), axis=1)
    return found
