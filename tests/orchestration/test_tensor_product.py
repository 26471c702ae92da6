from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.orchestration import (
    bcirc,
    dft_matrix,
    fold,
    mode3_product,
    t_product,
    transform_domain_product,
    unfold,
)

# float64 products of a few dozen values of order one.
TOLERANCE = 1e-12

SHAPES = [(2, 3, 4, 5), (1, 1, 1, 1), (3, 2, 2, 7), (2, 4, 1, 6)]  # n1, n2, l, n3


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_bcirc_by_hand() -> None:
    a = torch.tensor([[[1.0, 2.0, 3.0]]])  # 1 x 1, three slices
    assert bcirc(a).tolist() == [[1, 3, 2], [2, 1, 3], [3, 2, 1]]


def test_unfold_stacks_slices_and_fold_undoes_it() -> None:
    a = random(2, 3, 4)
    assert torch.equal(unfold(a)[2:4], a[:, :, 1])
    assert torch.equal(fold(unfold(a), 4), a)


def test_mode3_product_mixes_slices() -> None:
    a, s = random(2, 3, 4), random(5, 4, seed=1)
    expected = np.tensordot(a.numpy(), s.numpy(), axes=(2, 1))
    close(mode3_product(a, s), torch.from_numpy(expected))


def test_mode3_products_compose() -> None:
    a, p, q = random(2, 3, 4), random(5, 4, seed=1), random(6, 5, seed=2)
    close(mode3_product(mode3_product(a, p), q), mode3_product(a, q @ p))


@pytest.mark.parametrize(("n1", "n2", "width", "n3"), SHAPES)
def test_t_product_is_a_circular_convolution_of_slices(
    n1: int, n2: int, width: int, n3: int
) -> None:
    a, b = random(n1, n2, n3), random(n2, width, n3, seed=1)
    expected = torch.zeros(n1, width, n3, dtype=torch.float64)
    for k in range(n3):
        for m in range(n3):
            expected[:, :, k] += a[:, :, m] @ b[:, :, (k - m) % n3]
    close(t_product(a, b), expected)


@pytest.mark.parametrize(("n1", "n2", "width", "n3"), SHAPES)
def test_dft_is_the_classical_special_case(n1: int, n2: int, width: int, n3: int) -> None:
    a, b = random(n1, n2, n3), random(n2, width, n3, seed=1)
    product = transform_domain_product(a, b, dft_matrix(n3))
    close(product.real, t_product(a, b))
    close(product.imag, torch.zeros_like(product.imag))


def test_dft_block_diagonalises_bcirc() -> None:
    n1, n2, n3 = 2, 3, 4
    a, f = random(n1, n2, n3), dft_matrix(n3)
    eye = torch.eye(n1, dtype=f.dtype), torch.eye(n2, dtype=f.dtype)
    diagonal = torch.kron(f, eye[0]) @ bcirc(a).to(f.dtype) @ torch.kron(f.conj() / n3, eye[1])
    close(diagonal, torch.block_diag(*mode3_product(a, f).unbind(2)))


def test_dft_matrix_is_numpys_fft() -> None:
    x = random(7)
    close(dft_matrix(7) @ x.to(torch.complex128), torch.from_numpy(np.fft.fft(x.numpy())))


def test_identity_transform_multiplies_slice_by_slice() -> None:
    a, b = random(2, 3, 4), random(3, 5, 4, seed=1)
    product = transform_domain_product(a, b, torch.eye(4, dtype=torch.float64))
    for k in range(4):
        close(product[:, :, k], a[:, :, k] @ b[:, :, k])


@pytest.mark.parametrize("transform", [random(4, 4, seed=9), dft_matrix(4)], ids=["real", "dft"])
def test_transform_domain_product_is_associative(transform: Tensor) -> None:
    a, b, c = random(2, 3, 4), random(3, 2, 4, seed=1), random(2, 3, 4, seed=2)

    def times(x: Tensor, y: Tensor) -> Tensor:
        return transform_domain_product(x, y, transform)

    # The transform's condition number enters twice.
    torch.testing.assert_close(times(times(a, b), c), times(a, times(b, c)), rtol=1e-9, atol=1e-9)


def test_t_product_has_an_identity_and_is_associative() -> None:
    a, b, c = random(2, 3, 4), random(3, 2, 4, seed=1), random(2, 3, 4, seed=2)
    identity = torch.zeros(3, 3, 4, dtype=torch.float64)
    identity[:, :, 0] = torch.eye(3)
    close(t_product(a, identity), a)
    close(t_product(t_product(a, b), c), t_product(a, t_product(b, c)))


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(CobotError, match=r"expected a tensor \(n1, n2, n3\), not shape \(2, 3\)"):
        bcirc(random(2, 3))
    with pytest.raises(CobotError, match=r"cannot mix 4 frontal slices: give it 4 columns"):
        mode3_product(random(2, 3, 4), random(4, 3))
    with pytest.raises(CobotError, match=r"does not fold into 4 frontal slices"):
        fold(random(6, 2), 4)
    with pytest.raises(CobotError, match=r"do not multiply: they must be"):
        t_product(random(2, 3, 4), random(2, 3, 4))
