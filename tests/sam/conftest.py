"""A tiny SAM of segment-anything's classes, with every table and adapter away from zero."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from monai_cobot.sam import (
    SIZES,
    BaseModel,
    CobotSAM,
    SAMSize,
    build_random,
    hash_weights,
)
from tests.tiny_sam import TINY, warm_convolutions

Build = Callable[..., CobotSAM]


@pytest.fixture(scope="session", autouse=True)
def _warm_convolutions() -> None:
    warm_convolutions()


@pytest.fixture
def tiny_size(monkeypatch: pytest.MonkeyPatch) -> SAMSize:
    monkeypatch.setitem(SIZES, "tiny", TINY)
    return TINY


@pytest.fixture
def build_tiny() -> Build:
    """Builds a tiny adapted SAM; ``trained=True`` moves every trainable parameter."""

    def build(method: str = "lora", trained: bool = False, **settings: object) -> CobotSAM:
        sam = build_random(TINY, seed=1)
        base = BaseModel("tiny", TINY.image_size, "random", hash_weights(sam.state_dict()))
        model = CobotSAM(sam, base, method, **settings).eval()  # type: ignore[arg-type]
        if trained:
            generator = torch.Generator().manual_seed(2)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.requires_grad:
                        noise = torch.randn(parameter.shape, generator=generator)
                        parameter.add_(0.3 * noise.to(parameter.dtype))
        return model

    return build


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def boxes() -> list[Tensor]:
    return [
        torch.tensor([[4.0, 8.0, 40.0, 50.0], [0.0, 0.0, 20.0, 20.0], [30.0, 1.0, 60.0, 9.0]]),
        torch.tensor([[10.0, 10.0, 30.0, 44.0]]),
    ]
