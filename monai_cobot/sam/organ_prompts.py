"""Learned organ prompts: SAM without boxes.

An organ has a small trainable embedding that goes where the two corners of a box go. The decoder
answers every organ of the table on every slice, and SAM's predicted quality says whether the organ
is there: it is trained to be the IoU of the answer, which is 0 where the organ is absent.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from monai_cobot.errors import CobotError
from monai_cobot.sam.promptable import decode_tokens

PROMPTS = ("box", "organ", "both")
"""What a model is prompted with: boxes, its learned organ prompts, or either."""

ABSENT_BELOW = 0.25
"""Predicted quality below which an organ is taken as absent. Between 0, which absent organs are
trained to have, and what organs that are hard to outline reach."""

ABSENT_LOGIT = -10.0
"""Logit of the mask of an absent organ: a probability of 5e-5."""

NOISE = 0.02
"""Deviation of the embeddings at the start, that tells the organs apart."""


class OrganPrompts(nn.Module):
    """One learned prompt an organ, in the place of a box's two corners.

    Args:
        sam: the network; its embedding of a box around the whole image is where all organs start.
        organs: number of organs K.

    Raises:
        CobotError: no organ.
    """

    def __init__(self, sam: Sam, organs: int) -> None:
        super().__init__()
        if organs < 1:
            raise CobotError("organ prompts need the organ table: give organs, or prompts: box")
        height, width = sam.prompt_encoder.input_image_size
        whole = torch.tensor([[0.0, 0.0, width, height]])
        with torch.no_grad():
            corners, _ = sam.prompt_encoder(points=None, boxes=whole, masks=None)
        start = corners.expand(organs, -1, -1)
        self.embedding = nn.Parameter(start + NOISE * torch.randn(start.shape))

    def forward(self, sam: Sam, image_embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of all organs on all images, in one batch of the decoder.

        Args:
            sam: the network.
            image_embeddings: (B, C, h, w).

        Returns:
            low_res_masks (B, K, 4h, 4w), logits, and SAM's predicted quality (B, K).
        """
        images, organs = image_embeddings.shape[0], self.embedding.shape[0]
        low_res_masks, quality = self._decode(
            sam,
            image_embeddings.repeat_interleave(organs, dim=0),
            self.embedding.repeat(images, 1, 1),
        )
        return (
            low_res_masks.reshape(images, organs, *low_res_masks.shape[-2:]),
            quality.reshape(images, organs),
        )

    def answer(
        self, sam: Sam, image_embeddings: Tensor, start: int, stop: int
    ) -> tuple[Tensor, Tensor]:
        """Masks of some of the organs on the images, in one batch of the decoder.

        Args:
            sam: the network.
            image_embeddings: (B, C, h, w).
            start: the first prompt, of B x K, all organs of the first image, then of the second.
            stop: one behind the last, or more.

        Returns:
            low_res_masks (N, 4h, 4w), logits, and SAM's predicted quality (N,).
        """
        organs = self.embedding.shape[0]
        every = torch.arange(len(image_embeddings) * organs, device=image_embeddings.device)
        asked = every[start:stop]
        owners = asked.div(organs, rounding_mode="floor")
        return self._decode(sam, image_embeddings[owners], self.embedding[asked % organs])

    def _decode(self, sam: Sam, image_embeddings: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (N, 4h, 4w) and quality (N,) of tokens (N, 2, C), each with its image."""
        dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        low_res_masks, quality = decode_tokens(sam, image_embeddings, tokens, dense)
        return low_res_masks[:, 0], quality[:, 0]


def silence_absent(logits: Tensor, quality: Tensor) -> Tensor:
    """Logits (B, K, H, W) with :data:`ABSENT_LOGIT` where the quality (B, K) says "absent"."""
    present = quality[..., None, None] >= ABSENT_BELOW
    return torch.where(present, logits, torch.full_like(logits, ABSENT_LOGIT))
