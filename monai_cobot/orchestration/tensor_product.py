"""Products of third-order tensors: mode-3, T-product, and the product in a transform domain.

A tensor has shape (n1, n2, n3); its i-th *frontal slice* is ``tensor[:, :, i]``. The laws that
the tests hold (``F`` the DFT matrix, ``I`` the tensor whose first frontal slice is the identity
matrix and whose others are zero)::

    fold(unfold(A), n3)              == A
    (A x3 P) x3 Q                    == A x3 (Q P)
    transform_domain_product(A,B,F)  == t_product(A, B)
    t_product(A, I)                  == A
    t_product(t_product(A, B), C)    == t_product(A, t_product(B, C))

Source: SAM-COBOT (arXiv 2311.17112), section 4.1 and supplement A, equations S-1 to S-6.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_cobot.errors import CobotError


def mode3_product(tensor: Tensor, matrix: Tensor) -> Tensor:
    """Mix the frontal slices: ``C[:, :, m] = sum_k matrix[m, k] * tensor[:, :, k]``.

    Args:
        tensor: (n1, n2, n3).
        matrix: (m, n3); a complex matrix makes the result complex.

    Returns:
        ``tensor x_3 matrix``, (n1, n2, m).

    Raises:
        CobotError: if the matrix has not one column a frontal slice.
    """
    _require_order_3(tensor)
    if matrix.ndim != 2 or matrix.shape[1] != tensor.shape[2]:
        raise CobotError(
            f"a matrix of shape {tuple(matrix.shape)} cannot mix {tensor.shape[2]} frontal slices: "
            f"give it {tensor.shape[2]} columns"
        )
    dtype = torch.promote_types(tensor.dtype, matrix.dtype)
    return torch.einsum("abk,mk->abm", tensor.to(dtype), matrix.to(dtype))


def unfold(tensor: Tensor) -> Tensor:
    """Stack the frontal slices on top of each other (S-3): (n1, n2, n3) -> (n1 * n3, n2)."""
    _require_order_3(tensor)
    return tensor.permute(2, 0, 1).reshape(-1, tensor.shape[1])


def fold(matrix: Tensor, slices: int) -> Tensor:
    """Undo :func:`unfold` (S-4): (n1 * slices, n2) -> (n1, n2, slices).

    Raises:
        CobotError: if the rows are not a multiple of ``slices``.
    """
    if matrix.ndim != 2 or slices < 1 or matrix.shape[0] % slices:
        raise CobotError(
            f"a matrix of shape {tuple(matrix.shape)} does not fold into {slices} frontal slices: "
            "its rows must be a multiple of their number"
        )
    return matrix.reshape(slices, -1, matrix.shape[1]).permute(1, 2, 0)


def bcirc(tensor: Tensor) -> Tensor:
    """Block circulant matrix (S-2): block (i, j) is the frontal slice ``(i - j) mod n3``.

    Args:
        tensor: (n1, n2, n3).

    Returns:
        (n1 * n3, n2 * n3).
    """
    _require_order_3(tensor)
    n1, n2, n3 = tensor.shape
    place = torch.arange(n3, device=tensor.device)
    blocks = tensor[:, :, (place[:, None] - place[None, :]) % n3]  # (n1, n2, i, j)
    return blocks.permute(2, 0, 3, 1).reshape(n1 * n3, n2 * n3)


def t_product(a: Tensor, b: Tensor) -> Tensor:
    """T-product ``A * B = fold(bcirc(A) unfold(B))`` (S-1).

    Args:
        a: (n1, n2, n3).
        b: (n2, l, n3).

    Returns:
        (n1, l, n3).

    Raises:
        CobotError: if the shapes do not fit.
    """
    _require_matching(a, b)
    return fold(bcirc(a) @ unfold(b), a.shape[2])


def transform_domain_product(a: Tensor, b: Tensor, transform: Tensor) -> Tensor:
    """``A * B = S^-1( S(A) . S(B) )`` with ``S(X) = X x_3 transform``, slice by slice in between.

    With :func:`dft_matrix` this is the T-product; for real tensors the result is then complex
    with an imaginary part of rounding errors only.

    Args:
        a: (n1, n2, n3).
        b: (n2, l, n3).
        transform: invertible (n3, n3), real or complex.

    Returns:
        (n1, l, n3).

    Raises:
        CobotError: if the shapes do not fit.
        torch.linalg.LinAlgError: if ``transform`` is singular.
    """
    _require_matching(a, b)
    product = torch.einsum("ijk,jlk->ilk", mode3_product(a, transform), mode3_product(b, transform))
    return mode3_product(product, torch.linalg.inv(transform))


def dft_matrix(n: int, dtype: torch.dtype = torch.complex128) -> Tensor:
    """Matrix of the discrete Fourier transform, ``F[p, q] = exp(-2 pi i p q / n)``, (n, n)."""
    place = torch.arange(n)
    turns = (place[:, None] * place[None, :]) % n  # exact in integers, however large n is
    angle = turns.to(torch.float64) * (-2 * math.pi / n)
    return torch.polar(torch.ones_like(angle), angle).to(dtype)


def _require_order_3(tensor: Tensor) -> None:
    if tensor.ndim != 3:
        raise CobotError(f"expected a tensor (n1, n2, n3), not shape {tuple(tensor.shape)}")


def _require_matching(a: Tensor, b: Tensor) -> None:
    _require_order_3(a)
    _require_order_3(b)
    if a.shape[1] != b.shape[0] or a.shape[2] != b.shape[2]:
        raise CobotError(
            f"shapes {tuple(a.shape)} and {tuple(b.shape)} do not multiply: "
            "they must be (n1, n2, n3) and (n2, l, n3)"
        )
