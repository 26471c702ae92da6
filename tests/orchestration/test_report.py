"""What an orchestrator has learned, against hand-computed numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from monai_cobot.metrics import row_mean_share
from monai_cobot.orchestration import (
    OrchestrationConfig,
    OrchestrationReport,
    Orchestrator,
    orthogonal_departure,
)

# ||W^T W - I|| of a matrix that is orthogonal in single precision.
SINGLE = 1e-5


def test_at_the_start_nothing_is_learned() -> None:
    found = OrchestrationReport.of(Orchestrator(3, 8))
    np.testing.assert_array_equal(found.relation_matrix, np.eye(3))
    for coefficients in (found.coefficients_lm, found.communicated, found.coefficients_mc):
        np.testing.assert_array_equal(coefficients, np.ones((3, 8)))
    assert found.departure.shape == (3,)
    assert found.departure.max() < SINGLE


def test_the_released_codes_start_is_far_from_orthogonal() -> None:
    released = Orchestrator(3, 8, OrchestrationConfig(init="released_code"))
    assert OrchestrationReport.of(released).departure.min() > 1


def test_what_is_received_by_hand() -> None:
    orchestrator = Orchestrator(2, 4)
    with torch.no_grad():
        orchestrator.relation_matrix.copy_(torch.tensor([[1.0, 0.5], [-2.0, 1.0]]))
        orchestrator.coefficients_lm.copy_(torch.tensor([[1.0, 2, 3, 4], [10.0, 20, 30, 40]]))
    found = OrchestrationReport.of(orchestrator)
    # row 0: given[0] + 0.5 given[1]; row 1: given[1] - 2 given[0]
    np.testing.assert_array_equal(found.communicated, [[6, 12, 18, 24], [8, 16, 24, 32]])
    np.testing.assert_array_equal(found.coefficients_mc, np.ones((2, 4)))


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        ([[0.0, -1.0], [1.0, 0.0]], 0.0),  # a rotation
        ([[2.0, 0.0], [0.0, 1.0]], 3.0),  # W^T W - I = diag(3, 0)
        ([[1.0, 1.0], [0.0, 0.0]], 2**0.5),  # W^T W - I = [[0, 1], [1, 0]]
    ],
)
def test_departure_by_hand(weight: list[list[float]], expected: float) -> None:
    assert orthogonal_departure(torch.tensor(weight)) == pytest.approx(expected)


def test_arrays_are_copies_and_json() -> None:
    orchestrator = Orchestrator(2, 4, dtype=torch.float64)
    found = OrchestrationReport.of(orchestrator)
    found.relation_matrix[0, 0] = 7
    assert float(orchestrator.relation_matrix[0, 0].detach()) == 1.0
    read = json.loads(json.dumps(found.to_dict()))
    assert sorted(read) == [
        "coefficients_lm", "coefficients_mc", "communicated", "departure", "relation_matrix",
    ]  # fmt: skip
    assert read["relation_matrix"] == [[7.0, 0.0], [0.0, 1.0]]


def test_rows_of_the_relation_matrix_move_as_gains_that_learn_t_times_as_fast() -> None:
    """What docs/method.md says: one gradient a row, and T entries that each move by Adam's rate."""
    torch.manual_seed(3)
    sites, rate = 24, 1e-3
    orchestrator = Orchestrator(sites, 4)
    optimizer = torch.optim.Adam(orchestrator.parameters(), lr=rate)
    z = torch.randn(sites, 50, 4)
    orchestrated = torch.stack([orchestrator(z[site], site) for site in range(sites)])
    (orchestrated - 3 * z).square().mean().backward()
    optimizer.step()
    report = OrchestrationReport.of(orchestrator)
    assert row_mean_share(report.relation_matrix - np.eye(sites)) > 0.999
    coefficients = np.abs(report.coefficients_lm - 1).mean()
    gains = np.abs(report.communicated - report.coefficients_lm).mean()
    assert gains / coefficients == pytest.approx(sites, rel=0.01)  # the sets are 1 but for a rate
