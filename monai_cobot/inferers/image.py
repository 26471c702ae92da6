"""A picture through SAM with its boxes, one mask a box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from monai.inferers import Inferer

from monai_cobot.errors import CobotError
from monai_cobot.inferers.jitter import jittered_boxes
from monai_cobot.inferers.painting import paint_logits
from monai_cobot.inferers.volume import KINDS
from monai_cobot.transforms import BoxJitter, SAMFrame


class PromptedImageInferer(Inferer):
    """Run a promptable network over one picture and give a mask a prompt, in its own pixels.

    Masks of different boxes may overlap: they are of instances. Those of organ prompts do not: as
    in a volume, a pixel is of the organ with the highest logit above 0.

    Args:
        image_size: side S of the network's square input, in pixels.
        jitter: perturbs the boxes in the model frame; None leaves them exact.
        seed: of the jitter; each picture is seeded by (seed, case), whatever the order.
        device: of the network, if the picture is elsewhere; None is the picture's own.
        chunk: so many boxes go through the network at once, which bounds the memory. Every chunk
            runs the encoder again.
        logits: give logits, not masks.
        prompts: ``box``, ``organ`` for the network's learned organ prompts, or ``both``.
        organ_labels: label values of the organ prompts, in the network's order.
        progress: not used, a picture is quick; volumes have it.

    Raises:
        CobotError: a chunk of less than one box, or unknown prompts.
    """

    def __init__(
        self,
        image_size: int,
        jitter: BoxJitter | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
        chunk: int = 64,
        logits: bool = False,
        prompts: str = "box",
        organ_labels: Sequence[int] = (),
        progress: bool = False,
    ) -> None:
        super().__init__()
        if prompts not in KINDS:
            raise CobotError(f"prompts={prompts!r}: choose one of {', '.join(KINDS)}")
        self.kinds, self.organ_labels = KINDS[prompts], tuple(organ_labels)
        if chunk < 1:
            raise CobotError(f"chunk {chunk}: at least one box goes through the network at once")
        self.image_size, self.jitter, self.seed = image_size, jitter, seed
        self.device, self.chunk, self.logits = device, chunk, logits

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
            network: ``network(image (1, 3, S, S), boxes=[(P, 4)])`` gives logits (P, 1, S, S), a
                row a box; with organ prompts ``network(image)`` gives (1, K, S, S), silent where an
                organ is absent, and ``network(image, boxes=…, answers=True)`` both, as ``boxes``
                and ``found``; all in the model frame. It gets ``args`` and ``kwargs`` too.
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
        for kind, logits in self._logits(network, image, used, args, kwargs):
            found = frame.logits_to_slice(logits.float())
            if not self.logits:
                found = _disjoint(found) if kind == "organ" else found > 0
            answers.append(found.to(answers[0]))
        return torch.cat(answers)

    def _logits(
        self,
        network: Callable[..., Any],
        image: torch.Tensor,
        boxes: torch.Tensor,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Kind and logits (N, S, S) chunk by chunk: of the boxes, then of the organ prompts."""
        organs = None
        for start in range(0, len(boxes), self.chunk) if "box" in self.kinds else ():
            part = boxes[start : start + self.chunk]
            if start == 0 and "organ" in self.kinds:  # both on one embedding
                answers = network(image, *args, boxes=[part], answers=True, **kwargs)
                organs = answers.found[0]
                yield "box", answers.boxes[:, 0]
            else:
                yield "box", network(image, *args, boxes=[part], **kwargs)[:, 0]
        if "organ" in self.kinds:
            yield "organ", network(image, *args, **kwargs)[0] if organs is None else organs

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


def _disjoint(logits: torch.Tensor) -> torch.Tensor:
    """Masks (K, H, W) of logits, each pixel in that of the highest one above 0 alone."""
    organs = torch.arange(1, len(logits) + 1)
    painted = paint_logits(logits, organs)
    return painted[None] == organs.to(painted)[:, None, None]
