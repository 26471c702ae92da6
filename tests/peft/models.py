"""Small SAM encoders, adapted or not, with all-random values so that no test is vacuous."""

from __future__ import annotations

from typing import Any

import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn

from monai_cobot import peft
from monai_cobot.orchestration import OrchestrationConfig, Orchestrator
from monai_cobot.sam.orchestrate import absorb_orchestration
from monai_cobot.sam.orchestrate import orchestrate as attach_orchestrator

DEPTH, FEATURES, SIZE = 3, 24, 64


def small_encoder(seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """An encoder with local and global attention, relative positions, and random parameters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = ImageEncoderViT(
            img_size=SIZE,
            patch_size=16,
            embed_dim=FEATURES,
            depth=DEPTH,
            num_heads=2,
            out_chans=8,
            use_rel_pos=True,
            window_size=3,
            global_attn_indexes=(1,),
        )
    randomise(encoder, seed)
    return encoder.to(dtype)


def randomise(module: nn.Module, seed: int = 0, scale: float = 0.2) -> None:
    """Add noise of deviation ``scale`` to every parameter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(scale * noise.to(parameter.dtype))


def image(dtype: torch.dtype = torch.float64, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(batch, 3, SIZE, SIZE, generator=generator, dtype=torch.float64).to(dtype)


class Model(nn.Module):
    """An adapted encoder and, where asked for, its orchestrator: as the package joins them."""

    def __init__(
        self,
        method: str,
        orchestrate: bool,
        encoder: nn.Module | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.encoder = encoder or small_encoder()
        config = peft.config_from_mapping(method, options)
        self.adaptation = peft.get(method).inject(self.encoder, config)
        self.orchestrator: Orchestrator | None = None
        if orchestrate:
            self.orchestrator = attach_orchestrator(
                self.encoder, self.adaptation, OrchestrationConfig()
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def own(self) -> dict[str, nn.Parameter]:
        """All parameters that are the method's, and trained: not vectors that are orchestrated."""
        names = [f"encoder.{name}" for name in self.adaptation.parameters]
        if self.orchestrator is not None:
            if self.adaptation.vectors:
                names = []
            names += [f"orchestrator.{name}" for name, _ in self.orchestrator.named_parameters()]
        return {name: self.get_parameter(name) for name in names}

    def randomise_own(self, seed: int = 1) -> None:
        """Give the own parameters random values, as if trained."""
        randomise(nn.ParameterList(self.own().values()), seed)

    def fold(self) -> None:
        """Fold the orchestration away."""
        assert self.orchestrator is not None
        absorb_orchestration(self.encoder, self.adaptation, self.orchestrator)
        self.orchestrator = None
