from __future__ import annotations

import pytest
import torch
from segment_anything.modeling.common import MLPBlock
from torch import nn
from torch.nn import functional as F

from monai_cobot.errors import CobotError
from monai_cobot.peft import AdaptformerConfig, AdaptformerMLP
from tests.peft.models import randomise

# float64 products of a few dozen values of order one.
TOLERANCE = 1e-12


def mlp(dropout: float = 0.1) -> AdaptformerMLP:
    module = AdaptformerMLP(MLPBlock(6, 24).double(), AdaptformerConfig(4, dropout))
    randomise(module)
    return module


def test_forward_by_hand() -> None:
    module, x = mlp().eval(), torch.randn(3, 6, dtype=torch.float64)
    adapter = module.adapter
    centred = x - x.mean(-1, keepdim=True)
    normal = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    hidden = (normal * adapter.norm.weight + adapter.norm.bias) @ adapter.down.weight.T
    hidden = (hidden + adapter.down.bias).clamp(min=0)
    y = module.lin2(F.gelu(module.lin1(x))) + hidden @ adapter.up.weight.T + adapter.up.bias
    torch.testing.assert_close(module(x), y, rtol=TOLERANCE, atol=TOLERANCE)


def test_dropout_is_of_the_hidden_features_and_in_training_only() -> None:
    module, x = mlp(dropout=0.5), torch.randn(3, 6, dtype=torch.float64)
    assert not torch.equal(module.train()(x), module(x))
    assert torch.equal(module.eval()(x), module(x))
    assert module.adapter.dropout.p == 0.5


def test_first_values() -> None:
    base = MLPBlock(6, 24)
    module = AdaptformerMLP(base, AdaptformerConfig())
    assert (module.lin1, module.lin2, module.act) == (base.lin1, base.lin2, base.act)
    adapter = module.adapter
    assert adapter.norm.eps == 1e-5
    assert adapter.down.weight.any()
    for zero in (adapter.down.bias, adapter.up.weight, adapter.up.bias):
        assert not zero.any()


@pytest.mark.parametrize("hidden", [0, 2.0, "16"])
def test_hidden_out_of_range(hidden: object) -> None:
    with pytest.raises(CobotError, match=rf"Adaptformer hidden={hidden!r}: choose a whole number"):
        AdaptformerConfig(hidden)  # type: ignore[arg-type]


@pytest.mark.parametrize("dropout", [-0.1, 1, float("nan"), "0.1"])
def test_dropout_out_of_range(dropout: object) -> None:
    with pytest.raises(CobotError, match=rf"Adaptformer dropout={dropout!r}: choose a probability"):
        AdaptformerConfig(16, dropout)  # type: ignore[arg-type]


def test_not_sams_mlp() -> None:
    with pytest.raises(CobotError, match=r"Sequential is no MLP with lin1, act and lin2"):
        AdaptformerMLP(nn.Sequential(), AdaptformerConfig())
