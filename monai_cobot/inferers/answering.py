"""What inferers ask a network: the encoder once an image, then prompt after prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import torch


class Answered(NamedTuple):
    """Logits (N, S, S) in the model frame and the quality (N,) the network predicts of them."""

    logits: torch.Tensor
    quality: torch.Tensor


class Embedded(Protocol):
    """Images after the encoder, as :class:`~monai_cobot.sam.EmbeddedImages`."""

    def box_answers(self, boxes: list[torch.Tensor]) -> Any:
        """``logits`` (P, 1, S, S) and ``quality`` (P,)."""

    def organ_answers(self) -> Any:
        """``found`` (B, K, S, S) and ``quality`` (B, K)."""


class Asked:
    """One image, and a network that is asked about it.

    A network with ``embed(image)``, as :class:`~monai_cobot.sam.CobotSAM`, runs its encoder once.
    Any other callable is run again for every question, and its quality is not known (NaN).

    Args:
        network: ``network(image, boxes=[(P, 4)])`` gives logits (P, 1, S, S), a row a box, and
            ``network(image)`` (1, K, S, S), silent where an organ is absent; model frame.
        image: (1, 3, S, S), model frame.
    """

    def __init__(self, network: Callable[..., torch.Tensor], image: torch.Tensor) -> None:
        self.network, self.image = network, image
        embed = getattr(network, "embed", None)
        self.embedded: Embedded | None = None if embed is None else cast(Embedded, embed(image))

    def boxes(self, boxes: torch.Tensor) -> Answered:
        """Answers to boxes (P, 4), model frame."""
        if self.embedded is None:
            return _unrated(self.network(self.image, boxes=[boxes])[:, 0])
        found = self.embedded.box_answers([boxes])
        return Answered(found.logits[:, 0], found.quality)

    def organs(self) -> Answered:
        """Answers to the learned organ prompts, silent where an organ is absent."""
        if self.embedded is None:
            return _unrated(self.network(self.image)[0])
        found = self.embedded.organ_answers()
        return Answered(found.found[0], found.quality[0])


def asked(
    network: Callable[..., torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Callable[..., torch.Tensor]:
    """The network itself, or where an engine has arguments of its own for it, with them."""
    if not args and not kwargs:
        return network
    return lambda image, **prompts: network(image, *args, **prompts, **kwargs)


def _unrated(logits: torch.Tensor) -> Answered:
    return Answered(logits, logits.new_full((len(logits),), torch.nan))
