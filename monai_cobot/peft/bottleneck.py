"""What adapted modules have in common, as Protocols, and the fold into a bottleneck."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from monai_cobot.errors import CobotError
from monai_cobot.peft.vector import TunedVector


class Bottleneck(Protocol):
    """A path with V features in the middle that can be mixed: ``... mix(down(x))``.

    Of an adapter it is the narrow one, ``up(... mix(down(x)))``.

    Attributes:
        mix: a linear map of the hidden features without bias; :class:`torch.nn.Identity` unless
            somebody has put another there.
    """

    mix: nn.Module

    @property
    def down(self) -> nn.Linear:
        """Projection into V hidden features, with or without bias."""


class AdaptedModule:
    """What a module that a method has put into the encoder is besides being a module.

    A class of its own rather than a Protocol, so that no module is taken for one by its names.
    """

    @property
    def bottlenecks(self) -> tuple[Bottleneck, ...]:
        """The module's bottlenecks, in the order of their sites."""
        return ()

    @property
    def vectors(self) -> tuple[TunedVector, ...]:
        """The module's tuned vectors, in the order of their sites."""
        return ()

    def plain(self) -> Any:
        """Give a module of the original class with this one's parameters, without what was added.

        Raises:
            CobotError: if there is none.
        """
        raise CobotError(
            f"{type(self).__name__} stands for no module of SAM's: it has no plain form"
        )

    def merged(self) -> nn.Module:
        """Give a module of the original class that computes the same.

        Raises:
            CobotError: if there is none.
        """
        raise CobotError(f"{type(self).__name__} cannot be merged: keep the adapter file instead")


def adapted_modules(encoder: nn.Module) -> dict[str, AdaptedModule]:
    """Name the adapted modules of an encoder, in the order of its blocks."""
    named = encoder.named_modules()
    return {name: module for name, module in named if isinstance(module, AdaptedModule)}


def bottlenecks(encoder: nn.Module) -> tuple[Bottleneck, ...]:
    """List all bottlenecks of an encoder in the order of the sites: q0, v0, q1, v1, …

    Read from the encoder itself, hence also right for a deep copy of it.
    """
    return tuple(
        bottleneck
        for module in adapted_modules(encoder).values()
        for bottleneck in module.bottlenecks
    )


def tuned_vectors(encoder: nn.Module) -> tuple[TunedVector, ...]:
    """List all tuned vectors of an encoder in the order of its blocks."""
    return tuple(
        vector for module in adapted_modules(encoder).values() for vector in module.vectors
    )


@torch.no_grad()
def absorb(bottleneck: Bottleneck, matrix: Tensor) -> None:
    """Multiply a linear ``mix`` into ``down``, exactly: ``A (W x + b) = (A W) x + A b``.

    Afterwards ``mix`` is an identity. The product is formed in float64, whatever the dtype.

    Args:
        bottleneck: changed in place; its parameters stay the same objects.
        matrix: (V, V) as (output, input), what ``mix`` does.

    Raises:
        CobotError: if ``mix`` is an identity already, or the matrix has another size.
    """
    hidden = bottleneck.down.out_features
    if isinstance(bottleneck.mix, nn.Identity):
        raise CobotError("nothing to absorb: the bottleneck's mix is an identity already")
    if matrix.shape != (hidden, hidden):
        raise CobotError(
            f"a matrix of shape {tuple(matrix.shape)} does not mix {hidden} hidden features: "
            f"it must be ({hidden}, {hidden})"
        )
    down, exact = bottleneck.down, in_double(matrix)
    down.weight.copy_(exact @ in_double(down.weight))
    if down.bias is not None:
        down.bias.copy_(exact @ in_double(down.bias))
    bottleneck.mix = nn.Identity().train(bottleneck.mix.training)


def in_double(tensor: Tensor) -> Tensor:
    """Detached float64 copy on the CPU (not every accelerator knows float64)."""
    return tensor.detach().to("cpu", torch.float64)
