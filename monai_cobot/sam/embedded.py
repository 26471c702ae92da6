"""Images whose encoder has run: every prompt is answered from one embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from segment_anything.modeling import Sam
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam import organ_prompts
from monai_cobot.sam.organ_prompts import OrganPrompts, silence_absent
from monai_cobot.sam.promptable import decode_boxes, encode, upscale


class BoxAnswers(NamedTuple):
    """Answers to boxes; model frame.

    Attributes:
        logits: (P, 1, S, S), a row a box.
        quality: (P,) IoU that SAM predicts of them.
    """

    logits: Tensor
    quality: Tensor


class OrganAnswers(NamedTuple):
    """Answers to the learned organ prompts; model frame.

    Attributes:
        logits: (B, K, S, S), whether the organ is there or not.
        quality: (B, K) IoU that SAM predicts of them, trained to be 0 where the organ is absent.
    """

    logits: Tensor
    quality: Tensor

    @property
    def found(self) -> Tensor:
        """(B, K, S, S) logits, silent where the quality says that the organ is absent."""
        return silence_absent(self.logits, self.quality)


class FoundOrgans(NamedTuple):
    """The organs of the table that are on one image; model frame.

    Attributes:
        places: (N,) their places in the table, ascending.
        logits: (N, S, S).
        quality: (N,), each at least :data:`~monai_cobot.sam.organ_prompts.ABSENT_BELOW`.
    """

    places: Tensor
    logits: Tensor
    quality: Tensor


class EmbeddedImages:
    """A batch of images after the encoder.

    Args:
        sam: the network.
        image: (B, 3, S, S), normalised and padded (model frame).
        prompts: the learned organ prompts, where the network has them.
        embeddings: (B, C, h, w), where they are known; None runs the encoder.
    """

    def __init__(
        self,
        sam: Sam,
        image: Tensor,
        prompts: OrganPrompts | None = None,
        embeddings: Tensor | None = None,
    ) -> None:
        self.sam, self.organ_prompts = sam, prompts
        self.image = image
        self.embeddings = encode(sam, image) if embeddings is None else embeddings

    def box_answers(self, boxes: Sequence[Tensor]) -> BoxAnswers:
        """Answers to the boxes of every image, one after the other; one batch of the decoder.

        Args:
            boxes: for each image its (P_b, 4) boxes XYXY in the model frame, P_b may be 0.

        Raises:
            CobotError: the number of box tensors is not the number of images.
        """
        owners = owners_of(boxes, self.embeddings)
        return answer_boxes(self.sam, self.embeddings, owners, torch.cat(list(boxes)), self.image)

    def organ_answers(self) -> OrganAnswers:
        """Answers to the learned prompts of all organs on all images; one batch of the decoder.

        Raises:
            CobotError: the network has none.
        """
        low_res_masks, quality = self.learned(self.sam, self.embeddings)
        return OrganAnswers(upscale(low_res_masks, self.image), quality)

    def found_organs(self, chunk: int = 64) -> list[FoundOrgans]:
        """For each image the organs that are there.

        The decoder itself says whether an organ is there, and has made its low resolution mask by
        then: it runs for all organs. Of those that are absent this mask is dropped; none at the
        image's size is made, nor what an inferer makes of it in the slice frame.

        Args:
            chunk: organ prompts that are decoded in one batch.

        Raises:
            CobotError: the network has no organ prompts.
        """
        learned = self.learned
        organs = len(learned.embedding)
        parts = []
        for start in range(0, len(self.embeddings) * organs, chunk):
            masks, rated = learned.answer(self.sam, self.embeddings, start, start + chunk)
            there = torch.nonzero(rated >= organ_prompts.ABSENT_BELOW)[:, 0]
            parts.append((start + there, masks[there], rated[there]))
        every, low_res_masks, quality = (torch.cat(each) for each in zip(*parts, strict=True))
        found = []
        for image in range(len(self.embeddings)):
            own = every.div(organs, rounding_mode="floor") == image
            logits = low_res_masks.new_zeros(0, *self.image.shape[-2:])
            if bool(own.any()):
                logits = upscale(low_res_masks[own][None], self.image)[0]
            found.append(FoundOrgans(every[own] % organs, logits, quality[own]))
        return found

    @property
    def learned(self) -> OrganPrompts:
        """The learned organ prompts.

        Raises:
            CobotError: the network has none.
        """
        if self.organ_prompts is None:
            raise CobotError("the network has no organ prompts: train it with prompts: both")
        return self.organ_prompts


def owners_of(boxes: Sequence[Tensor], embeddings: Tensor) -> Tensor:
    """The image (sum of P_b,) that each box of every image's (P_b, 4) belongs to.

    Raises:
        CobotError: the number of box tensors is not the number of images.
    """
    if len(boxes) != embeddings.shape[0]:
        raise CobotError(
            f"{embeddings.shape[0]} images but boxes for {len(boxes)}: give one (P, 4) each"
        )
    counts = torch.tensor([len(found) for found in boxes], device=embeddings.device)
    return torch.arange(len(boxes), device=embeddings.device).repeat_interleave(counts)


def answer_boxes(
    sam: Sam, embeddings: Tensor, owners: Tensor, boxes: Tensor, image: Tensor
) -> BoxAnswers:
    """Answers to boxes (P, 4) of the images ``owners`` (P,), in one batch of the decoder."""
    if not len(boxes):
        nothing = image.new_zeros(0, 1, *image.shape[-2:])
        return BoxAnswers(nothing, nothing[:, 0, 0, 0])
    low_res_masks, quality = decode_boxes(sam, embeddings[owners], boxes)
    return BoxAnswers(upscale(low_res_masks, image), quality[:, 0])


def answer_organs(
    sam: Sam, prompts: OrganPrompts, embeddings: Tensor, start: int, stop: int, image: Tensor
) -> OrganAnswers:
    """Some of the answers to organ prompts, (1, N, S, S) and (1, N), in one batch of the decoder.

    Arguments as :meth:`OrganPrompts.answer`.
    """
    low_res_masks, quality = prompts.answer(sam, embeddings, start, stop)
    return OrganAnswers(upscale(low_res_masks[None], image), quality[None])
