"""A picture through SAM with its boxes, one mask a box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from monai.inferers import Inferer

from monai_cobot.errors import CobotError, require_whole
from monai_cobot.inferers.answering import Answered, Asked, asked
from monai_cobot.inferers.jitter import jittered_boxes
from monai_cobot.inferers.painting import paint_logits
from monai_cobot.inferers.volume import KINDS
from monai_cobot.transforms import BoxJitter, SAMFrame

ABSENT_LOGIT = -10.0
"""Logit of an organ that is not there, as in `sam/organ_prompts.py`."""


class PromptedImageInferer(Inferer):
    """Run a promptable network over one picture and give a mask a prompt, in its own pixels.

    Masks of different boxes may overlap: they are of instances. Those of organ prompts do not: as
    in a volume, a pixel is of the organ with the highest logit above 0. The encoder runs once (of a
    network with ``embed``, see `answering.py`).

    Args:
        image_size: side S of the network's square input, in pixels.
        jitter: perturbs the boxes in the model frame; None leaves them exact.
        seed: of the jitter; each picture is seeded by (seed, case), whatever the order.
        device: of the network, if the picture is elsewhere; None is the picture's own.
        chunk: so many prompts go through the decoder at once, which bounds the memory;
            `prompt_chunk` of a config.
        logits: give logits, not masks.
        prompts: ``box``, ``organ`` for the network's learned organ prompts, or ``both``.
        organ_labels: label values of the organ prompts, in the network's order.
        progress: not used, a picture is quick; volumes have it.

    Attributes:
        quality: (N,) float32, the IoU that SAM predicts of the last call's masks, in their order; 0
            of organs that are not there, NaN where the network does not tell.

    Raises:
        CobotError: a chunk that is no whole number of at least 1, or unknown prompts.
    """

    def __init__(
        self,
        image_size: int,
        jitter: BoxJitter | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
        chunk: int = 16,
        logits: bool = False,
        prompts: str = "box",
        organ_labels: Sequence[int] = (),
        progress: bool = False,
    ) -> None:
        super().__init__()
        if prompts not in KINDS:
            raise CobotError(f"prompts={prompts!r}: choose one of {', '.join(KINDS)}")
        self.kinds, self.organ_labels = KINDS[prompts], tuple(organ_labels)
        require_whole("prompt_chunk", chunk)
        self.image_size, self.jitter, self.seed = image_size, jitter, seed
        self.device, self.chunk, self.logits = device, chunk, logits
        self.quality = torch.zeros(0)

    @torch.no_grad()
    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        boxes: torch.Tensor,
        *args: Any,
        case: str = "",
        **kwargs: Any,
    ) -> torch.Tensor:
        """Segment one picture.

        Args:
            inputs: (1, 1 or 3, H, W), 0..255, slice frame.
            network: as :class:`~monai_cobot.inferers.answering.Asked` has it; one without
                ``embed`` gets ``args`` and ``kwargs`` too.
            boxes: (P, 4) XYXY, slice frame.
            case: its name, which seeds the jitter.

        Returns:
            (N, H, W) uint8 masks, 1 where a logit is above 0, or float32 logits; slice frame, on
            the inputs' device: with box prompts a mask a box, in their order; with organ prompts
            a mask an organ after them.

        Raises:
            CobotError: not one picture, or boxes of another shape.
        """
        if inputs.ndim != 4 or inputs.shape[0] != 1:
            raise CobotError(
                f"expected one picture (1, 1 or 3, H, W), got {tuple(inputs.shape)}: give pictures "
                "one at a time (batch_size: 1)"
            )
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise CobotError(f"case {case}: boxes {tuple(boxes.shape)} are not (P, 4)")
        size = (int(inputs.shape[2]), int(inputs.shape[3]))
        frame = SAMFrame(*size, self.image_size)
        device = inputs.device if self.device is None else torch.device(self.device)
        image = frame.image_to_model(inputs[0].to(device))[None]
        used = frame.boxes_to_model(self.jittered_boxes(boxes, size, case).to(device))
        dtype = torch.float32 if self.logits else torch.uint8
        answers = [torch.zeros(0, *size, dtype=dtype, device=inputs.device)]
        quality = [torch.zeros(0)]
        for kind, answer in self._answers(asked(network, args, kwargs), image, used):
            found = frame.logits_to_slice(answer.logits.float())
            if not self.logits:
                found = _disjoint(found) if kind == "organ" else found > 0
            found, rated = found.to(answers[0]), answer.quality.float().cpu()
            if kind == "organ":
                found = _in_places(found, answer.places, len(self.organ_labels), self.logits)
                rated = _in_places(rated, answer.places, len(self.organ_labels), False)
            answers.append(found)
            quality.append(rated)
        self.quality = torch.cat(quality)
        return torch.cat(answers)

    def _answers(
        self, network: Callable[..., torch.Tensor], image: torch.Tensor, boxes: torch.Tensor
    ) -> Iterator[tuple[str, Answered]]:
        """Kind and answers chunk by chunk: to the boxes, then to the organ prompts."""
        if "organ" not in self.kinds and not len(boxes):
            return
        question = Asked(network, image)
        for start in range(0, len(boxes), self.chunk) if "box" in self.kinds else ():
            yield "box", question.boxes([boxes[start : start + self.chunk]], self.chunk)[0]
        if "organ" in self.kinds:
            yield "organ", question.organs(self.chunk)[0]

    def jittered_boxes(
        self, boxes: torch.Tensor, size: tuple[int, int], case: str = ""
    ) -> torch.Tensor:
        """Give the boxes that a call with the same case uses, for fair comparisons.

        Args:
            boxes: (P, 4) XYXY, slice frame.
            size: rows and columns (H, W) of the picture.
            case: the case's name.

        Returns:
            (P, 4), perturbed, still in the slice frame; exact boxes unchanged bit for bit.
        """
        frame = SAMFrame(*size, self.image_size)
        return jittered_boxes(boxes, self.jitter, frame, self.seed, case)


def _in_places(found: torch.Tensor, places: torch.Tensor, count: int, logits: bool) -> torch.Tensor:
    """Answers (N, ...) of the organs that are there, among all of the table (K, ...)."""
    everything = found.new_full((count, *found.shape[1:]), ABSENT_LOGIT if logits else 0)
    everything[places] = found
    return everything


def _disjoint(logits: torch.Tensor) -> torch.Tensor:
    """Masks (K, H, W) of logits, each pixel in that of the highest one above 0 alone."""
    if not len(logits):
        return logits > 0
    organs = torch.arange(1, len(logits) + 1)
    painted = paint_logits(logits, organs)
    return painted[None] == organs.to(painted)[:, None, None]
