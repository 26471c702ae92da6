"""BitFit and SSF by hand, and what settles a vector."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.peft.bitfit import BiasLayerNorm, BiasLinear
from monai_cobot.peft.ssf import ScaledLayerNorm, ScaledLinear
from tests.peft.models import randomise

# float64 products of a few dozen values of order one.
TOLERANCE = 1e-12


class Plus(nn.Module):
    """Adds a fixed vector."""

    def __init__(self, vector: Tensor) -> None:
        super().__init__()
        self.vector = vector

    def forward(self, x: Tensor) -> Tensor:
        return x + self.vector


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(6, 4, dtype=torch.float64)


def norm() -> nn.LayerNorm:
    layer = nn.LayerNorm(6, eps=1e-6, dtype=torch.float64)
    randomise(layer)
    return layer


X = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("wrap", "base"), [(BiasLinear, linear()), (BiasLayerNorm, norm())])
def test_a_mixed_bias_is_added(wrap: type, base: nn.Module) -> None:
    module, added = wrap(base), torch.arange(len(base.bias)).double()  # type: ignore[arg-type]
    assert torch.equal(module(X), base(X))
    (vector,) = module.vectors
    vector.mix = Plus(added)
    torch.testing.assert_close(module(X), base(X) + added, rtol=TOLERANCE, atol=TOLERANCE)
    before = module(X)
    vector.vector.requires_grad_(False)
    peft.settle(vector, added)
    torch.testing.assert_close(base(X), before, rtol=TOLERANCE, atol=TOLERANCE)  # shared bias
    assert vector.vector.requires_grad
    assert type(module.merged()) is type(base)


def test_scale_and_shift_by_hand() -> None:
    module, base = ScaledLinear(linear()), linear()
    randomise(module.ssf)
    y = F.linear(X, base.weight, base.bias) * module.ssf.scale + module.ssf.shift
    torch.testing.assert_close(module(X), y, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(module.merged()(X), y, rtol=TOLERANCE, atol=TOLERANCE)
    assert torch.equal(module.weight, base.weight)  # the merged one is another
    normal, base_norm = ScaledLayerNorm(norm()), norm()
    randomise(normal.ssf)
    y = base_norm(X) * normal.ssf.scale + normal.ssf.shift
    torch.testing.assert_close(normal(X), y, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(normal.merged()(X), y, rtol=TOLERANCE, atol=TOLERANCE)


def test_settling_refuses() -> None:
    (vector,) = BiasLinear(linear()).vectors
    with pytest.raises(CobotError, match="nothing to settle"):
        peft.settle(vector, torch.zeros(4))
    vector.mix = Plus(torch.zeros(4).double())
    with pytest.raises(CobotError, match=r"shape \(3,\) does not fit a vector of 4 entries"):
        peft.settle(vector, torch.zeros(3))
