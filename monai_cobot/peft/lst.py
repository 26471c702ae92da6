"""LST: a narrow side network that reads the frozen encoder block by block, over a ladder.

Source: Sung et al., LST: Ladder Side-Tuning, NeurIPS 2022 (arXiv 2206.06522). The paper of
SAM-COBOT gives no construction for SAM; this one has its number of parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.image_encoder import Block
from torch import Tensor, nn

from monai_cobot.errors import CobotError
from monai_cobot.peft.adaptation import Adaptation, find_in_blocks, replace_all
from monai_cobot.peft.bottleneck import AdaptedModule
from monai_cobot.peft.registry import YES, Method, no

_TEMPERATURE = 0.1
"""Of the gates, as in LST."""
_UNMERGEABLE = "its side network stands beside SAM's, whose weights have no place for it"


@dataclass(frozen=True)
class LSTConfig:
    """Options of LST.

    Attributes:
        reduction: the side network is narrower than the encoder by this factor; 4 makes the
            paper's 7.91 M on ViT-B.

    Raises:
        CobotError: if a value is out of range.
    """

    reduction: int = 4

    def __post_init__(self) -> None:
        if not isinstance(self.reduction, int) or self.reduction < 1:
            raise CobotError(
                f"LST reduction={self.reduction!r}: choose a whole number of at least 1"
            )

    def side_features(self, features: int, heads: int) -> int:
        """Width d of the side network; CobotError where it does not divide into the heads."""
        side = features // self.reduction
        if features % self.reduction or side % heads or not side:
            raise CobotError(
                f"LST reduction={self.reduction}: {features} features do not divide into so many "
                f"parts for {heads} heads; choose a divisor of {features // heads}"
            )
        return side


class SideRung(nn.Module):
    """One step of the side network, its own small block fed by the encoder's.

    ::

        g = sigmoid(gate / 0.1)
        s' = block(g * ladder(x) + (1 - g) * s)

    The block is SAM's own kind with windowed attention and relative positions, also beside SAM's
    global blocks: what is far away comes over the ladder.
    """

    def __init__(
        self, features: int, side: int, heads: int, window: int, kind: type[Block]
    ) -> None:
        super().__init__()
        self.ladder = nn.Linear(features, side)
        self.gate = nn.Parameter(torch.zeros(()))
        self.block = kind(
            dim=side,
            num_heads=heads,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=window,
            input_size=(window, window),
        )

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """Take a step: x (B, H, W, D) of the encoder and s (B, H, W, d) -> (B, H, W, d)."""
        g = torch.sigmoid(self.gate / _TEMPERATURE)
        following: Tensor = self.block(g * self.ladder(x) + (1 - g) * s)
        return following


class LadderBlock(nn.Module, AdaptedModule):
    """A block of the encoder with a step of the side network beside it.

    The side network's features travel behind the encoder's: (B, H, W, D + d), without them at the
    entrance of the first block, whose ``entry`` makes them. The encoder's part is
    detached: what is frozen needs no graph, which saves LST its memory. The keys of the block stay
    those of the base.
    """

    def __init__(self, base: nn.Module, rung: SideRung, entry: nn.Linear | None) -> None:
        super().__init__()
        for name, child in base.named_children():
            self.add_module(name, child)
        self.window_size: Any = base.window_size
        self.rung, self.entry = rung, entry
        self.features = rung.ladder.in_features
        self.kind = type(base)

    def forward(self, x: Tensor) -> Tensor:
        """Run both: (B, H, W, D) or (B, H, W, D + d) -> (B, H, W, D + d)."""
        # Contiguous, so that the same kernels run as without the side network.
        main = x[..., : self.features].detach().contiguous()
        s = x[..., self.features :] if self.entry is None else self.entry(main)
        following = self.kind.forward(self, main)
        return torch.cat((following, self.rung(following, s)), dim=-1)

    def merged(self) -> nn.Module:
        """Refuse: nothing in SAM computes the same.

        Raises:
            CobotError: always.
        """
        raise CobotError(f"LST cannot be merged into SAM: {_UNMERGEABLE}; keep its adapter file")


class LadderNeck(nn.Module, AdaptedModule):
    """SAM's neck, and one of the same kind for the side network that is added to it.

    The side's last norm starts at zero, so that the sum starts as SAM's.
    """

    def __init__(self, base: nn.Module, side: int) -> None:
        super().__init__()
        for name, child in base.named_children():
            self.add_module(name, child)
        self.base_names = [name for name, _ in base.named_children()]
        first: Any = base.get_submodule("0")
        self.features, out = first.in_channels, first.out_channels
        self.side = nn.Sequential(
            nn.Conv2d(side, out, kernel_size=1, bias=False),
            LayerNorm2d(out),
            nn.Conv2d(out, out, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(out),
        )
        nn.init.zeros_(self.side.get_parameter("3.weight"))

    def forward(self, x: Tensor) -> Tensor:
        """Embed the image: (B, D + d, h, w) -> (B, C, h, w)."""
        main, s = x[:, : self.features].detach().contiguous(), x[:, self.features :]
        for name in self.base_names:
            main = self.get_submodule(name)(main)
        embedding: Tensor = main + self.side(s)
        return embedding

    def merged(self) -> nn.Module:
        """Refuse: nothing in SAM computes the same.

        Raises:
            CobotError: always.
        """
        raise CobotError(f"LST cannot be merged into SAM: {_UNMERGEABLE}; keep its adapter file")


def inject(encoder: nn.Module, config: LSTConfig) -> Adaptation:
    """Put the side network beside the blocks and the neck.

    Args:
        encoder: SAM's image encoder, changed in place.
        config: width of the side network.

    Raises:
        CobotError: if it is no such encoder, adapted already, or cannot be made narrower so.
    """
    blocks = find_in_blocks(encoder, "", Block)
    originals: dict[str, nn.Module] = {**blocks, "neck": encoder.get_submodule("neck")}
    attentions: Sequence[Any] = [block.attn for block in blocks.values()]
    features, heads = attentions[0].qkv.in_features, attentions[0].num_heads
    side = config.side_features(features, heads)
    window = max(block.window_size for block in blocks.values()) or 14
    like, first = attentions[0].qkv.weight, next(iter(blocks.values()))

    def adapt(base: nn.Module) -> nn.Module:
        if base is originals["neck"]:
            neck = LadderNeck(base, side)
            neck.side.to(like)
            return neck
        rung = SideRung(features, side, heads, window, type(first)).to(like)
        return LadderBlock(
            base, rung, nn.Linear(features, side).to(like) if base is first else None
        )

    return replace_all(encoder, originals, adapt)


METHOD = Method(
    name="lst",
    config=LSTConfig,
    inject=inject,
    trains_decoder=True,
    identity_at_start=YES,
    follows_base=YES,
    mergeable=no(_UNMERGEABLE),
    orchestratable=no(
        "its side network is a network of its own; no block of SAM's has a part of it"
    ),
    summary="a narrow side network that reads every block, and the mask decoder",
)
