"""Hamilton algebra, and the weight matrix that a hyper-complex layer generates from it.

A quaternion ``q = q0 + q1 i + q2 j + q3 k`` is a tensor with an axis of length 4. A hyper-complex
weight is a quaternion whose components are matrices: four *blocks* of side V/4.

The laws that the tests hold::

    i i = j j = k k = i j k = -1
    |a b| = |a| |b|,   (a b) c = a (b c)
    hypercomplex_weight(a) @ b = a b         for quaternions, V = 4

Source: SAM-COBOT (arXiv 2311.17112), section 4.2 and supplement B. The sign pattern visible in
S-10 is not that of the Hamilton product and does not determine a matrix; "the specific rule"
that it refers to is taken to be Hamilton's, as in the authors' released code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from monai_cobot.errors import CobotError

COMPONENTS = 4
"""N: a quaternion has four components, and no other algebra is implemented."""


def hamilton_product(a: Tensor, b: Tensor, dim: int = -1) -> Tensor:
    """Hamilton product of quaternions, element by element over all other axes.

    Args:
        a: quaternions with their 4 components along ``dim``.
        b: the same; shapes broadcast.
        dim: axis of the components, the same for both.

    Returns:
        ``a (x) b``, components along ``dim``.

    Raises:
        CobotError: if an axis of components has not length 4.
    """
    a0, a1, a2, a3 = _components(a, dim)
    b0, b1, b2, b3 = _components(b, dim)
    return torch.stack(
        (
            a0 * b0 - a1 * b1 - a2 * b2 - a3 * b3,
            a0 * b1 + a1 * b0 + a2 * b3 - a3 * b2,
            a0 * b2 - a1 * b3 + a2 * b0 + a3 * b1,
            a0 * b3 + a1 * b2 - a2 * b1 + a3 * b0,
        ),
        dim=dim,
    )


def hypercomplex_weight(blocks: Tensor) -> Tensor:
    """Real matrix of the multiplication from the left with a hyper-complex weight.

    ::

            [ r  -i  -j  -k ]
        W = [ i   r  -k   j ]      so that  h = W z
            [ j   k   r  -i ]
            [ k  -j   i   r ]

    Args:
        blocks: (..., 4, V/4, V/4), the matrices r, i, j, k, each (output, input) features.

    Returns:
        W, (..., V, V), (output, input) features, as in :class:`torch.nn.Linear`.

    Raises:
        CobotError: if there are not four blocks.
    """
    r, i, j, k = _components(blocks, -3)
    rows = ((r, -i, -j, -k), (i, r, -k, j), (j, k, r, -i), (k, -j, i, r))
    return torch.cat([torch.cat(row, dim=-1) for row in rows], dim=-2)


def direct(blocks: Tensor) -> Tensor:
    """``c = a``: the blocks are the parameters, V^2/4 of them (released code)."""
    return blocks


def product(a: Tensor, b: Tensor) -> Tensor:
    """``c = a (x) b``, the Hamilton product over the blocks, 2 V^2/4 parameters (S-9 as meant).

    Args:
        a: (..., 4, V/4, V/4).
        b: the same.

    Returns:
        Blocks c, (..., 4, V/4, V/4).
    """
    return hamilton_product(a, b, dim=-3)


def product_as_printed(a: Tensor, b: Tensor) -> Tensor:
    """``c_i = a_i * sum_k b_k``, as S-9 and the line under it print; no Hamilton product.

    Args:
        a: (..., 4, V/4, V/4).
        b: the same.

    Returns:
        Blocks c, (..., 4, V/4, V/4).
    """
    return a * b.sum(dim=-3, keepdim=True)


@dataclass(frozen=True)
class Parametrisation:
    """How stacks of parameter blocks make the blocks of one hyper-complex weight.

    Attributes:
        stacks: names of the parameter stacks, each (..., 4, V/4, V/4).
        compose: takes the stacks in this order, gives the blocks (..., 4, V/4, V/4).
    """

    stacks: tuple[str, ...]
    compose: Callable[..., Tensor]


PARAMETRISATIONS: Mapping[str, Parametrisation] = {
    "direct": Parametrisation(("blocks",), direct),
    "product": Parametrisation(("blocks_a", "blocks_b"), product),
    "product_as_printed": Parametrisation(("blocks_a", "blocks_b"), product_as_printed),
}


def _components(quaternion: Tensor, dim: int) -> tuple[Tensor, ...]:
    if quaternion.shape[dim] != COMPONENTS:
        raise CobotError(
            f"a quaternion has {COMPONENTS} components, but axis {dim} of shape "
            f"{tuple(quaternion.shape)} has {quaternion.shape[dim]}"
        )
    return quaternion.unbind(dim)
