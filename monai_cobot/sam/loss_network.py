"""The network and its loss as one module, whose memory does not grow with the number of prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from monai_cobot.errors import CobotError, require_whole
from monai_cobot.losses import MaskLoss, OrganLoss, are_present, count_organs, process_weights
from monai_cobot.sam.adapted import CobotSAM
from monai_cobot.sam.embedded import EmbeddedImages, answer_boxes, answer_organs, owners_of


class Features(Protocol):
    """What gives the embeddings of images, as :class:`~monai_cobot.sam.FeatureCache`."""

    def embeddings(self, image: Tensor, pixels: Sequence[Tensor]) -> Tensor:
        """(B, C, h, w) of images (B, 3, S, S), known by their pixels."""


class LossNetwork(nn.Module):
    """From images, boxes and targets to the loss of a training step.

    The encoder runs once an image. Up to ``chunk`` boxes are decoded in one batch; more of them in
    several, whose activations are not kept: backward decodes them again, one chunk after the other
    (:func:`torch.utils.checkpoint.checkpoint`). So are the learned organ prompts of all images.
    The targets may stay bytes, and on the CPU, until their chunk's turn. The loss is the same up
    to rounding.

    Of several processes each gives its part of the mean over all prompts, as
    :func:`~monai_cobot.losses.process_weights` has it.

    Args:
        network: the network that is trained.
        mask_loss: of logits (N, 1, S, S) and targets of the same shape, a mean over N.
        organ_loss: of the organ prompts' logits (B, K, S, S), their quality (B, K) and targets
            (B, K, S, S); added where there are such targets.
        chunk: boxes, or organ prompts, that are decoded in one batch.
        features: keeps what the frozen blocks make of an image; None computes it each time.

    Raises:
        CobotError: a chunk that is no whole number of at least 1.
    """

    def __init__(
        self,
        network: CobotSAM,
        mask_loss: MaskLoss,
        organ_loss: OrganLoss | None = None,
        chunk: int = 16,
        features: Features | None = None,
    ) -> None:
        super().__init__()
        require_whole("prompt_chunk", chunk)
        self.network, self.chunk, self.features = network, chunk, features
        self.mask_loss, self.organ_loss = mask_loss, organ_loss

    def forward(
        self,
        image: Tensor,
        boxes: Sequence[Tensor],
        targets: Sequence[Sequence[Tensor]],
        organ_targets: Tensor | None = None,
        pixels: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """The loss, a scalar.

        Args:
            image: (B, 3, S, S), normalised and padded.
            boxes: for each image its (P_b, 4) boxes XYXY in the model frame, P_b may be 0.
            targets: for each image (P_b, S, S), 0 or 1, of any type and on any device; or anything
                that gives a mask (S, S) by its place.
            organ_targets: (B, K, S, S), empty where an organ is absent; None where organ prompts
                are not trained.
            pixels: for each image the pixels (1 or 3, H, W) that it was made from, by which
                ``features`` knows it.

        Raises:
            CobotError: the number of box tensors is not the number of images, or ``features``
                without pixels.
        """
        embeddings = None
        if self.features is not None:
            if pixels is None:
                raise CobotError(
                    "features are known by the images' pixels: give pixels, which samples of "
                    "slice_transforms(deferred=True) keep"
                )
            embeddings = self.features.embeddings(image, pixels)
        embedded = self.network.embed(image, embeddings)
        loss = image.new_zeros(())
        if self.network.prompts != "organ":
            loss = self._of_boxes(embedded, boxes, targets)
        if organ_targets is not None and self.organ_loss is not None:
            loss = loss + self._of_organs(self.organ_loss, embedded, organ_targets)
        return loss

    def _of_boxes(
        self,
        embedded: EmbeddedImages,
        boxes: Sequence[Tensor],
        targets: Sequence[Sequence[Tensor]],
    ) -> Tensor:
        image, every = embedded.image, torch.cat(list(boxes))
        owners = owners_of(boxes, embedded.embeddings)
        (weight,) = process_weights([len(every)], image.device)
        places = [(masks, place) for masks in targets for place in range(len(masks))]

        def of_chunk(embeddings: Tensor, start: int) -> Tensor:
            part = slice(start, start + self.chunk)
            found = answer_boxes(embedded.sam, embeddings, owners[part], every[part], image)
            truth = torch.stack([masks[place] for masks, place in places[part]])[:, None].to(image)
            return self.mask_loss(found.logits, truth) * (weight * len(truth) / len(every))

        return self._summed(of_chunk, embedded, len(every))

    def _of_organs(
        self, organ_loss: OrganLoss, embedded: EmbeddedImages, organ_targets: Tensor
    ) -> Tensor:
        image, learned = embedded.image, embedded.learned
        present = are_present(organ_targets).flatten()
        counts = count_organs(present)
        weights = process_weights(counts, image.device)
        targets = organ_targets.flatten(0, 1)

        def of_chunk(embeddings: Tensor, start: int) -> Tensor:
            stop = start + self.chunk
            found = answer_organs(embedded.sam, learned, embeddings, start, stop, image)
            truth = targets[None, start:stop].to(image)
            part = zip(weights, count_organs(present[start:stop]), counts, strict=True)
            # Means of the chunk, as shares of the means over all.
            shares = [weight * some / max(every, 1) for weight, some, every in part]
            share: Tensor = organ_loss(found.logits, found.quality, truth, shares)
            return share

        return self._summed(of_chunk, embedded, len(targets))

    def _summed(
        self, of_chunk: Callable[[Tensor, int], Tensor], embedded: EmbeddedImages, prompts: int
    ) -> Tensor:
        """The sum over all chunks, a scalar; of several, nothing but this is kept for backward.

        Args:
            of_chunk: a chunk's share of the loss, from the image embeddings (an argument, so that
                backward finds them) and the place of its first prompt.
            embedded: the images.
            prompts: how many are asked; without any the loss is 0.
        """
        if 0 < prompts <= self.chunk:
            return of_chunk(embedded.embeddings, 0)
        loss = embedded.image.new_zeros(())
        for start in range(0, prompts, self.chunk):
            loss = loss + checkpoint(of_chunk, embedded.embeddings, start, use_reentrant=False)
        return loss
