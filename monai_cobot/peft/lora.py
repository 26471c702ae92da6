"""LoRA on the queries and values of SAM's image encoder.

Source: Hu et al., LoRA, ICLR 2022 (arXiv 2106.09685); q and v, r = 4, as in SAM-COBOT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_cobot.errors import CobotError
from monai_cobot.peft.adaptation import Adaptation, replace_in_blocks
from monai_cobot.peft.bottleneck import AdaptedModule, Bottleneck, in_double
from monai_cobot.peft.registry import YES, Method
from monai_cobot.peft.sharing import SharedLinear


@dataclass(frozen=True)
class LoRAConfig:
    """Options of LoRA.

    Attributes:
        rank: r, hidden features of a bottleneck.
        alpha: the update is scaled by alpha / rank; None means alpha = rank, that is, 1.

    Raises:
        CobotError: if a value is out of range.
    """

    rank: int = 4
    alpha: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.rank, int) or self.rank < 1:
            raise CobotError(f"LoRA rank={self.rank!r}: choose a whole number of at least 1")
        if self.alpha is not None and not (
            isinstance(self.alpha, int | float) and 0 < self.alpha < math.inf
        ):
            raise CobotError(
                f"LoRA alpha={self.alpha!r}: choose a number above 0, or null for alpha = rank"
            )

    @property
    def scale(self) -> float:
        """Factor of the update, alpha / rank."""
        return 1.0 if self.alpha is None else self.alpha / self.rank


class LoRABottleneck(nn.Module):
    """The update of one projection: ``scale * up(mix(down(x)))``, (..., D) -> (..., D').

    ``down`` starts at U(-1/sqrt(D), 1/sqrt(D)) (Kaiming uniform, as in the original LoRA), ``up``
    at zero, so that the update starts at zero. Neither has a bias.
    """

    down: nn.Linear
    mix: nn.Module
    up: nn.Linear

    def __init__(
        self,
        in_features: int,
        out_features: int,
        config: LoRAConfig,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.scale = config.scale
        self.down = nn.Linear(in_features, config.rank, bias=False, device=device, dtype=dtype)
        self.mix = nn.Identity()
        self.up = nn.Linear(config.rank, out_features, bias=False, device=device, dtype=dtype)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the update: (..., D) -> (..., D')."""
        update: Tensor = self.up(self.scale * self.mix(self.down(x)))
        return update

    def mixed_down(self) -> Tensor:
        """``scale * mix(down)`` as one matrix, (V, D); differentiable.

        ``mix`` is linear, so that it may act on the matrix as well as on what comes out of it.
        """
        down: Tensor = self.mix(self.down.weight.transpose(-2, -1)).transpose(-2, -1)
        return down if self.scale == 1 else self.scale * down

    def matrix(self) -> Tensor:
        """The update as one matrix without ``mix``, (D', D), float64 on the CPU."""
        return self.scale * in_double(self.up.weight) @ in_double(self.down.weight)


class LoRALinear(SharedLinear, AdaptedModule):
    """A joint projection to q, k and v whose q and v thirds have a LoRA each.

    ::

        q, k, v = split(W x + b)
        y       = [q + lora_q(x), k, v + lora_v(x)]

    Both are one product: the ``down`` matrices stand on top of each other, mixed already, and the
    ``up`` matrices are the blocks of a (3 D', 2 r) matrix, which is added in place. The keys
    ``weight`` and ``bias`` stay those of the base projection.

    Args:
        base: projection (D -> 3 D'); its parameters are shared, not copied.
        config: rank and scale.

    Raises:
        CobotError: if the output does not divide into three.
    """

    lora_q: LoRABottleneck
    lora_v: LoRABottleneck

    def __init__(self, base: nn.Linear, config: LoRAConfig) -> None:
        require_qkv(base)
        super().__init__(base)
        width, like = base.out_features // 3, base.weight
        self.lora_q = LoRABottleneck(base.in_features, width, config, like.device, like.dtype)
        self.lora_v = LoRABottleneck(base.in_features, width, config, like.device, like.dtype)

    @property
    def bottlenecks(self) -> tuple[Bottleneck, ...]:
        """Those of q and v, in this order."""
        return self.lora_q, self.lora_v

    def forward(self, x: Tensor) -> Tensor:
        """Project to q, k and v: (..., D) -> (..., 3 D')."""
        tokens = x.reshape(-1, x.shape[-1])
        y = F.linear(tokens, self.weight, self.bias)
        down = torch.cat((self.lora_q.mixed_down(), self.lora_v.mixed_down()))
        up_q, up_v = self.lora_q.up.weight, self.lora_v.up.weight
        rank = up_q.shape[1]
        up = torch.cat(
            (
                F.pad(up_q, (0, rank)),
                up_q.new_zeros(up_q.shape[0], 2 * rank),
                F.pad(up_v, (rank, 0)),
            )
        )
        hidden = F.linear(tokens, down)
        # In place: the output is nobody else's, and no gradient needs it.
        y.addmm_(hidden, up.transpose(-2, -1).to(hidden.dtype))
        return y.view(*x.shape[:-1], -1)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Give the plain projection with the updates in its weight, which is a new tensor."""
        weight = in_double(self.weight).clone()
        q, _, v = weight.chunk(3)
        q += self.lora_q.matrix()
        v += self.lora_v.matrix()
        plain = self.plain()
        plain.weight = nn.Parameter(weight.to(self.weight), self.weight.requires_grad)
        return plain


def require_qkv(base: nn.Linear) -> None:
    """Check that a projection divides into q, k and v; CobotError where it does not."""
    if base.out_features % 3:
        raise CobotError(
            f"a projection to {base.out_features} features is not one to q, k and v: "
            "their number must be a multiple of 3"
        )


def inject(encoder: nn.Module, config: LoRAConfig) -> Adaptation:
    """Put LoRA on q and v of every block; sites in the order q0, v0, q1, v1, …

    Args:
        encoder: SAM's image encoder, changed in place.
        config: rank and scale.

    Raises:
        CobotError: if it is no such encoder, or adapted already.
    """
    return replace_in_blocks(encoder, "attn.qkv", nn.Linear, lambda qkv: LoRALinear(qkv, config))


METHOD = Method(
    name="lora",
    config=LoRAConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=YES,
    follows_base=YES,
    mergeable=YES,
    orchestratable=YES,
    summary="low-rank updates of the queries and values, and the mask decoder",
)
