"""What inferers ask a network: the encoder once for a batch of images, then prompt after prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import torch


class Answered(NamedTuple):
    """Answers about one image, model frame.

    Attributes:
        places: (N,) which of the prompts are answered, ascending: all boxes, the organs found.
        logits: (N, S, S).
        quality: (N,) the IoU that the network predicts of them, NaN where it does not tell.
    """

    places: torch.Tensor
    logits: torch.Tensor
    quality: torch.Tensor


class Embedded(Protocol):
    """Images after the encoder, as :class:`~monai_cobot.sam.EmbeddedImages`."""

    def box_answers(self, boxes: Sequence[torch.Tensor]) -> Any:
        """``logits`` (sum of P_b, 1, S, S) and ``quality`` (sum of P_b,)."""

    def found_organs(self, chunk: int) -> Sequence[Any]:
        """For each image ``places`` (N,), ``logits`` (N, S, S), ``quality`` (N,) of its organs."""


class Asked:
    """A batch of images, and a network that is asked about them.

    A network with ``embed(images)``, as :class:`~monai_cobot.sam.CobotSAM`, runs its encoder once
    and says which organs are there. Any other callable is run again for every question, answers
    all organs, and its quality is not known.

    Args:
        network: ``network(images, boxes=[(P_b, 4)])`` gives logits (sum of P_b, 1, S, S), a row a
            box, and ``network(images)`` (B, K, S, S), silent where an organ is absent; model frame.
        images: (B, 3, S, S), model frame.
    """

    def __init__(self, network: Callable[..., torch.Tensor], images: torch.Tensor) -> None:
        self.network, self.images = network, images
        embed = getattr(network, "embed", None)
        self.embedded: Embedded | None = None if embed is None else cast(Embedded, embed(images))

    def boxes(self, boxes: Sequence[torch.Tensor], chunk: int) -> list[Answered]:
        """Answers to the boxes (P_b, 4) of each image, at most so many in one batch of the decoder.

        In model frame, as the answers.
        """
        parts: list[list[Answered]] = [[] for _ in boxes]
        for part in _chunks([len(found) for found in boxes], chunk):
            asked = [found[part[b]] if b in part else found[:0] for b, found in enumerate(boxes)]
            logits, quality = self._boxes(asked)
            start = 0
            for b, chosen in part.items():
                end = start + chosen.stop - chosen.start
                places = torch.arange(chosen.start, chosen.stop)
                parts[b].append(Answered(places, logits[start:end], quality[start:end]))
                start = end
        return [_together(found, self.images) for found in parts]

    def organs(self, chunk: int) -> list[Answered]:
        """Answers of each image to the learned organ prompts whose organs are there.

        At most ``chunk`` of them are in one batch of the decoder, of a network with ``embed``.
        """
        if self.embedded is not None:
            return [Answered(*found) for found in self.embedded.found_organs(chunk)]
        logits = self.network(self.images)
        unknown = logits.new_full(logits.shape[:2], torch.nan)
        return [
            Answered(torch.arange(len(found)), found, quality)
            for found, quality in zip(logits, unknown, strict=True)
        ]

    def _boxes(self, boxes: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        if self.embedded is not None:
            found = self.embedded.box_answers(boxes)
            return found.logits[:, 0], found.quality
        logits = self.network(self.images, boxes=list(boxes))[:, 0]
        return logits, logits.new_full((len(logits),), torch.nan)


def asked(
    network: Callable[..., torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Callable[..., torch.Tensor]:
    """The network itself, or where an engine has arguments of its own for it, with them."""
    if not args and not kwargs:
        return network
    return lambda image, **prompts: network(image, *args, **prompts, **kwargs)


def _chunks(counts: Sequence[int], chunk: int) -> list[dict[int, slice]]:
    """The boxes of all images in order, in parts of at most ``chunk``: image to its boxes."""
    parts: list[dict[int, slice]] = []
    room = 0
    for image, count in enumerate(counts):
        start = 0
        while start < count:
            if not room:
                parts.append({})
                room = chunk
            end = min(count, start + room)
            parts[-1][image] = slice(start, end)
            room -= end - start
            start = end
    return parts


def _together(parts: Sequence[Answered], images: torch.Tensor) -> Answered:
    if not parts:
        nothing = images.new_zeros(0, *images.shape[-2:])
        return Answered(torch.zeros(0, dtype=torch.int64), nothing, nothing[:, 0, 0])
    return Answered(*(torch.cat(values) for values in zip(*parts, strict=True)))
