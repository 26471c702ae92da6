"""What an orchestrator has learned, as numbers to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_cobot.orchestration.orchestrator import Orchestrator


@dataclass(frozen=True)
class OrchestrationReport:
    """All that crosses the blocks, T sites of width V, as arrays in double precision.

    At the start the relation matrix is the identity, the coefficients are 1, and the heads are
    orthogonal where the config's ``init`` is.

    Attributes:
        relation_matrix: S (T, T); row t receives, column m gives.
        coefficients_lm: (T, V), the sets that sites give.
        communicated: (T, V), the sets that sites receive: S times ``coefficients_lm``.
        coefficients_mc: (T, V), the sets that stay within their block.
        departure: (T,), how far each head is from orthogonal, see :func:`orthogonal_departure`.
    """

    relation_matrix: NDArray[np.float64]
    coefficients_lm: NDArray[np.float64]
    communicated: NDArray[np.float64]
    coefficients_mc: NDArray[np.float64]
    departure: NDArray[np.float64]

    @classmethod
    @torch.no_grad()
    def of(cls, orchestrator: Orchestrator) -> OrchestrationReport:
        """Read an orchestrator's parameters; it is not changed, and the arrays are copies.

        A set that an ablation leaves out is 0.
        """
        parameters = dict(orchestrator.named_parameters())
        relation = _array(orchestrator.relation())
        zero = np.zeros((orchestrator.sites, orchestrator.hidden))
        lm, mc = (
            _array(parameters[name]) if name in parameters else zero.copy()
            for name in ("coefficients_lm", "coefficients_mc")
        )
        heads = [orthogonal_departure(orchestrator.weight(t)) for t in range(orchestrator.sites)]
        return cls(relation, lm, relation @ lm, mc, np.array(heads))

    def to_dict(self) -> dict[str, Any]:
        """As nested lists, for JSON."""
        return {name: value.tolist() for name, value in vars(self).items()}


def orthogonal_departure(weight: Tensor) -> float:
    """``||W^T W - I||`` in the Frobenius norm, in double precision; 0 for orthogonal W (V, V)."""
    square = weight.detach().to("cpu", torch.float64)
    identity = torch.eye(square.shape[-1], dtype=torch.float64)
    return float(torch.linalg.matrix_norm(square.T @ square - identity))


def _array(value: Tensor) -> NDArray[np.float64]:
    return value.detach().to("cpu", torch.float64, copy=True).numpy()
