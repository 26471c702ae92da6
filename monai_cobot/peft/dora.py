"""DoRA: LoRA with a magnitude of its own for every output, on queries and values.

Source: Liu et al., DoRA, ICML 2024 (arXiv 2402.09353); on q and v and with r = 4 as LoRA here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_cobot.peft.adaptation import Adaptation, replace_in_blocks
from monai_cobot.peft.bottleneck import AdaptedModule, Bottleneck, in_double
from monai_cobot.peft.lora import LoRABottleneck, LoRAConfig, require_qkv
from monai_cobot.peft.registry import YES, Method, no
from monai_cobot.peft.sharing import SharedLinear


class DoRAConfig(LoRAConfig):
    """Options of DoRA, those of LoRA."""


class DoRABottleneck(LoRABottleneck):
    """The update of one projection W, (..., D) -> (..., D')::

        V = W + scale * up mix down            # (D', D)
        update = (magnitude / |V| * V - W) x   # |.| of every row

    ``magnitude`` (D') starts as ``|W|``, so that the update starts at zero. As in section 4.3 of
    the paper, ``|V|`` counts as a constant in the gradient.

    Args:
        base: W, (D', D); only read, at the start.
        config: rank and scale.
    """

    def __init__(self, base: Tensor, config: LoRAConfig) -> None:
        super().__init__(base.shape[1], base.shape[0], config, base.device, base.dtype)
        self.magnitude = nn.Parameter(_row_norms(base.detach()))

    def update(self, base: Tensor) -> Tensor:
        """The update as a matrix, ``mix`` included: W (D', D) -> (D', D)."""
        low_rank = self.up.weight @ self.mix(self.down.weight.transpose(-2, -1)).transpose(-2, -1)
        direction = base + self.scale * low_rank
        factor = self.magnitude / _row_norms(direction).detach()
        update: Tensor = factor.unsqueeze(-1) * direction - base
        return update


class DoRALinear(SharedLinear, AdaptedModule):
    """A joint projection to q, k and v whose q and v thirds have a DoRA each.

    The keys ``weight`` and ``bias`` stay those of the base projection.

    Args:
        base: projection (D -> 3 D'); its parameters are shared, not copied.
        config: rank and scale.

    Raises:
        CobotError: if the output does not divide into three.
    """

    dora_q: DoRABottleneck
    dora_v: DoRABottleneck

    def __init__(self, base: nn.Linear, config: DoRAConfig) -> None:
        require_qkv(base)
        super().__init__(base)
        q, _, v = self.weight.chunk(3)
        self.dora_q, self.dora_v = DoRABottleneck(q, config), DoRABottleneck(v, config)

    @property
    def bottlenecks(self) -> tuple[Bottleneck, ...]:
        """Those of q and v, in this order."""
        return self.dora_q, self.dora_v

    def forward(self, x: Tensor) -> Tensor:
        """Project to q, k and v: (..., D) -> (..., 3 D')."""
        base_q, _, base_v = self.weight.chunk(3)
        q, k, v = super().forward(x).chunk(3, dim=-1)
        q = q + F.linear(x, self.dora_q.update(base_q))
        v = v + F.linear(x, self.dora_v.update(base_v))
        return torch.cat((q, k, v), dim=-1)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Give the plain projection with the updates in its weight, which is a new tensor."""
        weight = in_double(self.weight).clone()
        for third, dora in zip((0, 2), (self.dora_q, self.dora_v), strict=True):
            rows = weight.chunk(3)[third]
            direction = rows + dora.matrix()
            factor = in_double(dora.magnitude) / _row_norms(direction)
            rows.copy_(factor.unsqueeze(-1) * direction)
        plain = self.plain()
        plain.weight = nn.Parameter(weight.to(self.weight), self.weight.requires_grad)
        return plain


def _row_norms(matrix: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(matrix, dim=-1)
    return norms


def inject(encoder: nn.Module, config: DoRAConfig) -> Adaptation:
    """Put DoRA on q and v of every block; sites in the order q0, v0, q1, v1, …

    Args:
        encoder: SAM's image encoder, changed in place.
        config: rank and scale.

    Raises:
        CobotError: if it is no such encoder, or adapted already.
    """
    adapt = partial(DoRALinear, config=config)
    adaptation = replace_in_blocks(encoder, "attn.qkv", nn.Linear, adapt)
    magnitudes = (name for name in adaptation.parameters if name.endswith(".magnitude"))
    return replace(adaptation, undecayed=tuple(magnitudes))


METHOD = Method(
    name="dora",
    config=DoRAConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=YES,
    follows_base=no("its magnitudes start as the row norms of the weights it was injected into"),
    mergeable=YES,
    orchestratable=YES,
    summary="LoRA with a magnitude for every output of queries and values, and the mask decoder",
)
