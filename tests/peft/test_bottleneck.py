from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.peft import AdaptformerConfig, LoRAConfig
from tests.peft.models import image, randomise, small_encoder

# Relative; float64 rounding through a whole small encoder.
TOLERANCE = 1e-12


class Times(nn.Module):
    """A linear mix, or a parametrisation of a projection by it."""

    def __init__(self, matrix: Tensor, of_weight: bool = False) -> None:
        super().__init__()
        self.matrix, self.of_weight = matrix, of_weight

    def forward(self, x: Tensor) -> Tensor:
        return self.matrix @ x if self.of_weight else x @ self.matrix.T


def adapted(method: str) -> nn.Module:
    torch.manual_seed(0)
    encoder = small_encoder().eval()
    peft.get(method).inject(encoder, peft.config_from_mapping(method))
    randomise(encoder)
    return encoder


@pytest.mark.parametrize(("method", "hidden"), [("lora", 4), ("adaptformer", 16)])
def test_absorb_is_mix_and_is_parametrize(method: str, hidden: int) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(hidden, hidden, dtype=torch.float64, generator=generator)

    mixed, absorbed, oracle = adapted(method), adapted(method), adapted(method)
    for bottleneck in peft.bottlenecks(mixed):
        bottleneck.mix = Times(matrix)
    for bottleneck in peft.bottlenecks(oracle):
        for name, _ in list(bottleneck.down.named_parameters()):
            parametrize.register_parametrization(bottleneck.down, name, Times(matrix, True))
    for bottleneck in peft.bottlenecks(absorbed):
        weight = bottleneck.down.weight
        bottleneck.mix = Times(matrix)
        peft.absorb(bottleneck, matrix)
        assert isinstance(bottleneck.mix, nn.Identity)
        assert bottleneck.down.weight is weight

    expected = mixed(image()).detach()
    assert not torch.allclose(expected, adapted(method)(image()))
    for encoder in (absorbed, oracle):
        difference = (encoder(image()) - expected).abs().max() / expected.abs().max()
        assert difference < TOLERANCE


def test_absorb_refuses() -> None:
    (bottleneck, *_) = peft.bottlenecks(adapted("lora"))
    with pytest.raises(CobotError, match=r"nothing to absorb: .* identity already"):
        peft.absorb(bottleneck, torch.eye(4))
    bottleneck.mix = Times(torch.eye(4))
    with pytest.raises(CobotError, match=r"shape \(3, 3\) does not mix 4 hidden features"):
        peft.absorb(bottleneck, torch.eye(3))


def test_merge_refuses_an_orchestrated_encoder_and_leaves_it_alone() -> None:
    encoder = adapted("lora")
    peft.bottlenecks(encoder)[-1].mix = Times(torch.eye(4, dtype=torch.float64))
    before = encoder(image())
    with pytest.raises(CobotError, match=r"blocks.2.attn.qkv is orchestrated .*: fold it first"):
        peft.merge(encoder)
    assert torch.equal(encoder(image()), before)


@pytest.mark.parametrize(
    "first", ["lora", "adaptformer", "dora", "bitfit", "ssf", "attention_tuning", "vpt", "lst"]
)
@pytest.mark.parametrize("second", peft.names())
def test_double_injection_is_refused(first: str, second: str) -> None:
    encoder = adapted(first)
    before = {name: p.requires_grad for name, p in encoder.named_parameters()}
    with pytest.raises(CobotError, match=r"adapted already \(at blocks.0.*newly built encoder"):
        peft.get(second).inject(encoder, peft.config_from_mapping(second))
    assert {name: p.requires_grad for name, p in encoder.named_parameters()} == before


def test_not_sams_encoder() -> None:
    with pytest.raises(CobotError, match=r"Linear has no list of transformer blocks"):
        peft.get("lora").inject(nn.Linear(3, 3), LoRAConfig())
    encoder = small_encoder()
    encoder.set_submodule("blocks.2.mlp", nn.Identity())
    with pytest.raises(CobotError, match=r"Identity is no MLP with lin1"):
        peft.get("adaptformer").inject(encoder, AdaptformerConfig())
    encoder.set_submodule("blocks.1.attn", nn.Identity())
    with pytest.raises(CobotError, match=r"blocks.1 has no Linear named 'attn.qkv'"):
        peft.get("lora").inject(encoder, LoRAConfig())
    assert all(parameter.requires_grad for parameter in encoder.parameters())
