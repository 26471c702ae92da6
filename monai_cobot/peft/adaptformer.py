"""Adaptformer: a bottleneck beside the MLP of every block of SAM's image encoder.

Source: Chen et al., AdaptFormer, NeurIPS 2022 (arXiv 2205.13535); 16 hidden features, LayerNorm
before, scale 1, as in SAM-COBOT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from monai_cobot.errors import CobotError
from monai_cobot.peft.adaptation import Adaptation, replace_in_blocks
from monai_cobot.peft.bottleneck import AdaptedModule, Bottleneck
from monai_cobot.peft.registry import YES, Method, no

_NORM_EPS = 1e-5
"""Of the adapter's own LayerNorm; SAM's have 1e-6."""
_UNMERGEABLE = "it has a nonlinearity of its own"


@dataclass(frozen=True)
class AdaptformerConfig:
    """Options of Adaptformer.

    Attributes:
        hidden: V, hidden features of a bottleneck.
        dropout: probability, after the nonlinearity, in training.

    Raises:
        CobotError: if a value is out of range.
    """

    hidden: int = 16
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, int) or self.hidden < 1:
            raise CobotError(
                f"Adaptformer hidden={self.hidden!r}: choose a whole number of at least 1"
            )
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise CobotError(
                f"Adaptformer dropout={self.dropout!r}: choose a probability from 0 to below 1"
            )


class AdaptformerBottleneck(nn.Module):
    """``up(dropout(relu(mix(down(norm(x))))))``, (..., D) -> (..., D).

    ``down`` starts at U(-1/sqrt(D), 1/sqrt(D)) without offset, ``up`` at zero, so that the output
    starts at zero.
    """

    down: nn.Linear
    mix: nn.Module
    up: nn.Linear

    def __init__(
        self,
        features: int,
        config: AdaptformerConfig,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features, eps=_NORM_EPS, device=device, dtype=dtype)
        self.down = nn.Linear(features, config.hidden, device=device, dtype=dtype)
        self.mix = nn.Identity()
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(config.dropout)
        self.up = nn.Linear(config.hidden, features, device=device, dtype=dtype)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        """Compute what is added to the MLP: (..., D) -> (..., D)."""
        hidden = self.mix(self.down(self.norm(x)))
        delta: Tensor = self.up(self.dropout(self.relu(hidden)))
        return delta


class AdaptformerMLP(nn.Module, AdaptedModule):
    """A block's MLP with an adapter beside it: ``y = lin2(act(lin1(x))) + adapter(x)``.

    In SAM's block x is already normalised by ``norm2``; the adapter's LayerNorm stands on top.
    The keys of ``lin1`` and ``lin2`` stay those of the base.

    Args:
        base: SAM's MLP, with ``lin1``, ``act`` and ``lin2``; they are shared, not copied.
        config: width and dropout of the adapter.

    Raises:
        CobotError: if the base is no such MLP.
    """

    adapter: AdaptformerBottleneck

    def __init__(self, base: nn.Module, config: AdaptformerConfig) -> None:
        parts = dict(base.named_children())
        lin1, act, lin2 = (parts.get(name) for name in ("lin1", "act", "lin2"))
        if not isinstance(lin1, nn.Linear) or not isinstance(lin2, nn.Linear) or act is None:
            raise CobotError(
                f"{type(base).__name__} is no MLP with lin1, act and lin2: "
                "give SAM's image encoder (sam.image_encoder)"
            )
        super().__init__()
        self.lin1, self.act, self.lin2 = lin1, act, lin2
        like = lin1.weight
        self.adapter = AdaptformerBottleneck(lin1.in_features, config, like.device, like.dtype)

    @property
    def bottlenecks(self) -> tuple[Bottleneck, ...]:
        """The one adapter."""
        return (self.adapter,)

    def forward(self, x: Tensor) -> Tensor:
        """Run MLP and adapter: (..., D) -> (..., D)."""
        y: Tensor = self.lin2(self.act(self.lin1(x))) + self.adapter(x)
        return y

    def merged(self) -> nn.Module:
        """Refuse: nothing linear computes the same.

        Raises:
            CobotError: always.
        """
        raise CobotError(
            "Adaptformer has a nonlinearity and cannot be merged into SAM: keep its adapter file, "
            "or train with a mergeable method such as lora"
        )


def inject(encoder: nn.Module, config: AdaptformerConfig) -> Adaptation:
    """Put an adapter beside the MLP of every block, one site a block.

    Args:
        encoder: SAM's image encoder, changed in place.
        config: width and dropout.

    Raises:
        CobotError: if it is no such encoder, or adapted already.
    """
    return replace_in_blocks(encoder, "mlp", nn.Module, lambda mlp: AdaptformerMLP(mlp, config))


METHOD = Method(
    name="adaptformer",
    config=AdaptformerConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=YES,
    follows_base=YES,
    mergeable=no(_UNMERGEABLE),
    orchestratable=YES,
    summary="a bottleneck beside the MLP of every block, and the mask decoder",
)
