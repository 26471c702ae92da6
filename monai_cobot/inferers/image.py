"""A picture through SAM with its boxes, one mask a box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer

from monai_cobot.errors import CobotError
from monai_cobot.inferers.jitter import jittered_boxes
from monai_cobot.transforms import BoxJitter, SAMFrame


class PromptedImageInferer(Inferer):
    """Run a promptable network over one picture and give a mask a box, in its own pixels.

    Masks of different boxes may overlap: nothing is painted into one map.

    Args:
        image_size: side S of the network's square input, in pixels.
        jitter: perturbs the boxes in the model frame; None leaves them exact.
        seed: of the jitter; each picture is seeded by (seed, case), whatever the order.
        device: of the network, if the picture is elsewhere; None is the picture's own.
        chunk: so many boxes go through the network at once, which bounds the memory. Every chunk
            runs the encoder again.
        logits: give logits, not masks.

    Raises:
        CobotError: a chunk of less than one box.
    """

    def __init__(
        self,
        image_size: int,
        jitter: BoxJitter | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
        chunk: int = 64,
        logits: bool = False,
    ) -> None:
        super().__init__()
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
                row a box; all in the model frame. It gets ``args`` and ``kwargs`` too.
            boxes: (P, 4) XYXY, slice frame; without boxes the network is not run.
            case: its name, which seeds the jitter.

        Returns:
            (P, H, W) uint8 masks, 1 where a logit is above 0, or float32 logits; slice frame, in
            the order of the boxes, on the inputs' device.

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
        kind = torch.float32 if self.logits else torch.uint8
        answers = torch.zeros(len(boxes), *size, dtype=kind, device=inputs.device)
        if not len(boxes):
            return answers
        image = frame.image_to_model(inputs[0].to(device))[None]
        used = frame.boxes_to_model(self.jittered_boxes(boxes, size, case).to(device))
        for start in range(0, len(used), self.chunk):
            part = slice(start, start + self.chunk)
            logits = network(image, *args, boxes=[used[part]], **kwargs)
            logits = frame.logits_to_slice(logits[:, 0].float())
            answers[part] = (logits if self.logits else logits > 0).to(answers)
        return answers

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
