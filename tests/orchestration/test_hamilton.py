from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.orchestration import hamilton_product, hypercomplex_weight
from monai_cobot.orchestration.hamilton import direct, product, product_as_printed

# float64 sums of a few products of order one.
TOLERANCE = 1e-12

ONE, UNIT_I, UNIT_J, UNIT_K = torch.eye(4, dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_units() -> None:
    i, j, k = UNIT_I, UNIT_J, UNIT_K
    for unit in (i, j, k):
        assert torch.equal(hamilton_product(unit, unit), -ONE)
    assert torch.equal(hamilton_product(hamilton_product(i, j), k), -ONE)
    assert torch.equal(hamilton_product(i, j), k)
    assert torch.equal(hamilton_product(j, i), -k)
    assert torch.equal(hamilton_product(j, k), i)
    assert torch.equal(hamilton_product(k, i), j)


def test_norm_is_multiplicative_and_product_associative() -> None:
    a, b, c = random(50, 4), random(50, 4, seed=1), random(50, 4, seed=2)
    ab = hamilton_product(a, b)
    close(ab.norm(dim=-1), a.norm(dim=-1) * b.norm(dim=-1))
    close(hamilton_product(ab, c), hamilton_product(a, hamilton_product(b, c)))


def test_components_may_lie_on_any_axis() -> None:
    a, b = random(3, 4, 2, 2), random(3, 4, 2, 2, seed=1)
    expected = hamilton_product(a.movedim(1, -1), b.movedim(1, -1)).movedim(-1, 1)
    assert torch.equal(hamilton_product(a, b, dim=-3), expected)


def test_weight_is_multiplication_from_the_left() -> None:
    a, z = random(4), random(4, seed=1)
    close(hypercomplex_weight(a[:, None, None]) @ z, hamilton_product(a, z))


def test_weight_is_the_transpose_of_the_released_codes_matrix() -> None:
    r, i, j, k = (random(2, 2, seed=s) for s in range(4))
    released = torch.cat(
        [
            torch.cat(row, dim=1)
            for row in ((r, i, j, k), (-i, r, k, -j), (-j, -k, r, i), (-k, j, -i, r))
        ]
    )
    blocks = torch.stack((r, i, j, k)).mT  # ours: output features first
    assert torch.equal(hypercomplex_weight(blocks), released.mT)


def test_weight_multiplies_hypercomplex_vectors() -> None:
    blocks, z = random(4, 3, 3), random(4, 3, seed=1)
    # Every entry (o, n) of the blocks is a quaternion that multiplies the n-th one of z.
    entries = hamilton_product(blocks.permute(1, 2, 0), z.T[None])  # (output, input, 4)
    close(hypercomplex_weight(blocks) @ z.reshape(-1), entries.sum(dim=1).T.reshape(-1))


def test_weight_takes_leading_axes() -> None:
    blocks = random(5, 4, 2, 2)
    weights = hypercomplex_weight(blocks)
    assert weights.shape == (5, 8, 8)
    assert torch.equal(weights[3], hypercomplex_weight(blocks[3]))


def test_parametrisations_by_hand() -> None:
    a, b = random(4, 2, 2), random(4, 2, 2, seed=1)
    assert direct(a) is a
    close(product(a, b)[0], a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3])
    close(product(a, b)[2], a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1])
    close(product_as_printed(a, b)[2], a[2] * (b[0] + b[1] + b[2] + b[3]))


@pytest.mark.parametrize("side", [1, 3])
def test_backward_of_product_sums_over_the_components(side: int) -> None:
    """S-12 and S-13 with the chain rule written out; S-14 is the descent step itself."""
    a = random(4, side, side).requires_grad_()
    b = random(4, side, side, seed=1).requires_grad_()
    g = random(4 * side, 4 * side, seed=2)
    (hypercomplex_weight(product(a, b)) * g).sum().backward()

    # W's block (row, column) is sign * c[component]: collect dL/dc block by block.
    signs = ((1, -1, -1, -1), (1, 1, -1, 1), (1, 1, 1, -1), (1, -1, 1, 1))
    component = ((0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0))
    grid = g.reshape(4, side, 4, side).permute(0, 2, 1, 3)
    dc = torch.zeros(4, side, side, dtype=torch.float64)
    for row in range(4):
        for column in range(4):
            dc[component[row][column]] += signs[row][column] * grid[row, column]

    # c_m = sum_n sign * a_(component) * b_n, by the same table: S-12 and S-13 sum over m.
    a_value, b_value = a.detach().clone(), b.detach().clone()
    da, db = torch.zeros_like(a_value), torch.zeros_like(b_value)
    for m in range(4):
        for n in range(4):
            da[component[m][n]] += signs[m][n] * dc[m] * b_value[n]
            db[n] += signs[m][n] * dc[m] * a_value[component[m][n]]
    assert a.grad is not None
    assert b.grad is not None
    close(a.grad, da)
    close(b.grad, db)

    rate = 0.1
    torch.optim.SGD([a, b], lr=rate).step()
    close(a.detach(), a_value - rate * da)
    close(b.detach(), b_value - rate * db)


def test_backward_of_product_as_printed() -> None:
    a, b = random(4, 2, 2).requires_grad_(), random(4, 2, 2, seed=1).requires_grad_()
    g = random(4, 2, 2, seed=2)
    (product_as_printed(a, b) * g).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    close(a.grad, g * b.detach().sum(0))
    close(b.grad, (g * a.detach()).sum(0).expand(4, 2, 2))


def test_not_four_components() -> None:
    with pytest.raises(CobotError, match=r"a quaternion has 4 components, but axis -3 .* has 3"):
        hypercomplex_weight(random(3, 2, 2))
