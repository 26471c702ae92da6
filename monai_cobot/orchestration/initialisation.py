"""First values of the hyper-complex blocks, and of a relation matrix that is random.

All values are drawn on the CPU in float64 from torch's global generator, so that one seed gives
one model on every device and in every precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from monai_cobot.orchestration.hamilton import COMPONENTS


def unit_quaternions(count: int) -> Tensor:
    """Quaternions of length one, uniform on the sphere, (count, 4)."""
    quaternions = _normal(count, COMPONENTS)
    lengths = torch.linalg.vector_norm(quaternions, dim=-1, keepdim=True)
    return torch.div(quaternions, lengths)


def orthogonal_matrices(count: int, side: int) -> Tensor:
    """Random orthogonal matrices, uniform (Haar), (count, side, side)."""
    q, r = torch.linalg.qr(_normal(count, side, side))
    signs = torch.sign(torch.diagonal(r, dim1=-2, dim2=-1))
    return torch.mul(q, signs.unsqueeze(-2))


def orthogonal(parametrisation: str, sites: int, side: int) -> tuple[Tensor, ...]:
    """Blocks ``q_i Q``, q a unit quaternion and Q orthogonal: the composed W is orthogonal.

    ``W = L(q) kron Q``, L(q) being the orthogonal 4 x 4 matrix of the multiplication with q. A
    unit quaternion for every entry would make W orthogonal for V = 4 only.

    - ``direct``: a_i = q_i Q.
    - ``product``: a_i = p_i in every entry, p another unit quaternion, and b_i = q_i Q; hence
      c_i = (p q)_i Q.
    - ``product_as_printed``: a_i = q_i Q and b_k = 1/4 in every entry; hence c_i = a_i.

    Args:
        parametrisation: a name in ``PARAMETRISATIONS``.
        sites: T.
        side: V/4.

    Returns:
        One stack (T, 4, V/4, V/4) for each of the parametrisation's stacks.
    """
    matrices = orthogonal_matrices(sites, side).unsqueeze(1)
    blocks = unit_quaternions(sites)[:, :, None, None] * matrices
    if parametrisation == "product":
        return unit_quaternions(sites)[:, :, None, None].expand_as(blocks), blocks
    if parametrisation == "product_as_printed":
        return blocks, torch.full_like(blocks, 1 / COMPONENTS)
    return (blocks,)


def released_code(parametrisation: str, sites: int, side: int) -> tuple[Tensor, ...]:
    """Real part 0, imaginary parts U(0, 1), as in the authors' released code.

    Args:
        parametrisation: a name in ``PARAMETRISATIONS``.
        sites: T.
        side: V/4.

    Returns:
        One stack (T, 4, V/4, V/4) for each of the parametrisation's stacks.
    """
    stacks = []
    for _ in range(1 if parametrisation == "direct" else 2):
        blocks = torch.rand(sites, COMPONENTS, side, side, dtype=torch.float64, device="cpu")
        blocks[:, 0] = 0
        stacks.append(blocks)
    return tuple(stacks)


INITS: Mapping[str, Callable[[str, int, int], tuple[Tensor, ...]]] = {
    "orthogonal": orthogonal,
    "released_code": released_code,
}


def random_relation(sites: int) -> Tensor:
    """A relation matrix of independent normal entries of variance 1/T, (T, T).

    A set that comes through it keeps its length on average, as through the identity.
    """
    return torch.div(_normal(sites, sites), math.sqrt(sites))


def _normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, device="cpu")
