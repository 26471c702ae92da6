"""Image encoders of segment-anything's classes with all-random values, and their answers."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn

from monai_cobot.sam import speed_up
from tests.peft.models import randomise


def encoder(
    side: int,
    attention: str = "stock",
    dtype: torch.dtype = torch.float64,
    heads: int = 2,
    features: int = 8,
    window: int = 14,
) -> nn.Module:
    """Two blocks, one with windows and one without; ``features`` are those of a head."""
    built = ImageEncoderViT(
        img_size=side,
        embed_dim=heads * features,
        depth=2,
        num_heads=heads,
        out_chans=8,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=window,
        global_attn_indexes=(1,),
    )
    for name, parameter in built.named_parameters():
        nn.init.constant_(parameter, float("norm" in name and name.endswith("weight")))
    randomise(built)
    speed_up(built, attention)
    return built.to(dtype)


class Answer(NamedTuple):
    """Embeddings, and the gradients of their weighted sum."""

    embeddings: Tensor
    gradients: dict[str, Tensor]


def answer(model: nn.Module, image: Tensor, **parameters: nn.Parameter) -> Answer:
    """Run forward and backward; gradients of the image and of the parameters, all by default."""
    image = image.clone().requires_grad_()
    model.zero_grad()
    embeddings: Any = model(image)
    generator = torch.Generator().manual_seed(5)
    weights = torch.randn(embeddings.shape, generator=generator, dtype=torch.float64)
    (embeddings * weights.to(embeddings.dtype)).sum().backward()
    wanted = parameters or dict(model.named_parameters())
    gradients = {"image": image.grad} | {name: p.grad for name, p in wanted.items()}
    # The image has none where a method needs none of the encoder's.
    return Answer(embeddings.detach(), {n: g for n, g in gradients.items() if g is not None})


def images(side: int, batch: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(batch, 3, side, side, generator=generator, dtype=torch.float64).to(dtype)


def difference(actual: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    actual, expected = actual.detach(), expected.detach()
    assert expected.abs().max() > 0
    return float((actual - expected).abs().max() / expected.abs().max())
