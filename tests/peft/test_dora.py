from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from monai_cobot.peft import DoRAConfig, DoRALinear
from tests.peft.models import randomise

# float64 products of a few dozen values of order one.
TOLERANCE = 1e-12


class Times(nn.Module):
    """A linear mix."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = matrix

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T


def layer(alpha: float | None = None) -> DoRALinear:
    torch.manual_seed(0)
    dora = DoRALinear(nn.Linear(6, 15, dtype=torch.float64), DoRAConfig(2, alpha))
    randomise(dora)
    return dora


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(("alpha", "scale"), [(None, 1), (5, 2.5)])
def test_forward_row_by_row(alpha: float | None, scale: float, mixed: bool) -> None:
    dora, x = layer(alpha), torch.randn(3, 6, dtype=torch.float64)
    matrix = torch.randn(2, 2, dtype=torch.float64) if mixed else torch.eye(2).double()
    expected = dora.weight.detach().clone()
    for third, part in ((0, dora.dora_q), (2, dora.dora_v)):
        if mixed:
            part.mix = Times(matrix)
        update = scale * part.up.weight @ matrix @ part.down.weight
        for row in range(5):
            direction = expected[5 * third + row] + update[row].detach()
            length = direction.square().sum().sqrt()
            expected[5 * third + row] = part.magnitude[row].detach() * direction / length
    y = x @ expected.T + dora.bias
    torch.testing.assert_close(dora(x), y, rtol=TOLERANCE, atol=TOLERANCE)
    if not mixed:
        torch.testing.assert_close(dora.merged()(x), y, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_length_counts_as_a_constant_in_the_gradient() -> None:
    dora, x = layer(), torch.randn(3, 6, dtype=torch.float64)
    dora(x).square().sum().backward()
    part = dora.dora_q
    found = part.up.weight.grad
    assert found is not None
    direction = dora.weight[:5] + part.up.weight @ part.down.weight
    factor = (part.magnitude / direction.norm(dim=1)).detach()
    y = (x @ (factor[:, None] * direction).T + dora.bias[:5]).detach()
    by_hand = (2 * y * factor).T @ (x @ part.down.weight.T)
    torch.testing.assert_close(found, by_hand, rtol=TOLERANCE, atol=TOLERANCE)


def test_magnitudes_start_as_the_lengths_of_the_rows() -> None:
    base = nn.Linear(6, 15)
    dora = DoRALinear(base, DoRAConfig())
    for part, rows in ((dora.dora_q, base.weight[:5]), (dora.dora_v, base.weight[10:])):
        torch.testing.assert_close(part.magnitude, rows.square().sum(1).sqrt())
