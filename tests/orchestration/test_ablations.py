"""What is left out or replaced in the paper's Tables 1 to 3, as settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.orchestration import (
    OrchestrationConfig,
    OrchestrationReport,
    Orchestrator,
    hypercomplex_weight,
)

# float64 products of a few dozen values of order one.
TOLERANCE = 1e-12

SITES, HIDDEN = 3, 8
SETS = {"both": {"lm", "mc"}, "lm": {"lm"}, "mc": {"mc"}, "none": set()}


def trained(**settings: str) -> Orchestrator:
    torch.manual_seed(0)
    config = OrchestrationConfig(**settings)  # type: ignore[arg-type]
    owner = Orchestrator(SITES, HIDDEN, config, dtype=torch.float64)
    with torch.no_grad():
        for parameter in owner.parameters():
            parameter.normal_()
    return owner


def by_hand(owner: Orchestrator, t: int) -> Tensor:
    """The mixing matrix from the state dict alone, number by number."""
    state, total = owner.state_dict(), torch.zeros(HIDDEN, dtype=torch.float64)
    kinds = SETS[owner.config.coefficients]
    if "lm" in kinds:
        for m in range(SITES):
            given = state["coefficients_lm"][m]
            share = float(m == t)
            if owner.config.relation != "identity":
                share = float(state["relation_matrix"][t, m])
            total += share * given
    if "mc" in kinds:
        total += state["coefficients_mc"][t]
    if not kinds:
        total += 1
    weight = torch.eye(HIDDEN, dtype=torch.float64)
    if owner.config.head == "hypercomplex":
        weight = hypercomplex_weight(state["blocks"][t])
    elif owner.config.head == "linear":
        weight = state["heads"][t]
    return weight @ torch.diag(total)


def possible(coefficients: str, head: str) -> bool:
    return (coefficients, head) != ("none", "none")


@pytest.mark.parametrize("relation", ["learnable", "random", "identity"])
@pytest.mark.parametrize(
    ("coefficients", "head"),
    [(c, h) for c in SETS for h in ("hypercomplex", "linear", "none") if possible(c, h)],
)
def test_every_combination_by_hand(coefficients: str, head: str, relation: str) -> None:
    owner = trained(coefficients=coefficients, relation=relation, head=head)
    z = torch.randn(2, HIDDEN, dtype=torch.float64)
    for t in range(SITES):
        expected = by_hand(owner, t)
        torch.testing.assert_close(owner.mixing_matrix(t), expected, rtol=TOLERANCE, atol=TOLERANCE)
        torch.testing.assert_close(owner(z, t), z @ expected.T, rtol=TOLERANCE, atol=TOLERANCE)
    torch.stack([owner(z, t).square().sum() for t in range(SITES)]).sum().backward()
    for name, parameter in owner.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("settings", "parameters", "buffers"),
    [
        ({}, 2 * 24 + 9 + 3 * 16, 0),
        ({"relation": "random"}, 2 * 24 + 3 * 16, 9),
        ({"relation": "identity"}, 2 * 24 + 3 * 16, 0),
        ({"coefficients": "lm"}, 24 + 9 + 3 * 16, 0),
        ({"coefficients": "mc"}, 24 + 3 * 16, 0),  # nothing to communicate, hence no matrix
        ({"coefficients": "mc", "relation": "random"}, 24 + 3 * 16, 0),
        ({"coefficients": "none"}, 3 * 16, 0),
        ({"head": "linear"}, 2 * 24 + 9 + 3 * 64, 0),
        ({"head": "none"}, 2 * 24 + 9, 0),
    ],
)
def test_counts(settings: dict[str, str], parameters: int, buffers: int) -> None:
    owner = Orchestrator(SITES, HIDDEN, OrchestrationConfig(**settings))  # type: ignore[arg-type]
    assert sum(p.numel() for p in owner.parameters()) == parameters
    assert sum(b.numel() for b in owner.buffers()) == buffers


def test_first_values() -> None:
    linear = Orchestrator(SITES, HIDDEN, OrchestrationConfig(head="linear"), dtype=torch.float64)
    w = linear.weight(1)
    torch.testing.assert_close(w @ w.mT, torch.eye(HIDDEN, dtype=torch.float64))
    assert not torch.equal(w, torch.eye(HIDDEN, dtype=torch.float64))
    torch.manual_seed(4)
    wide = Orchestrator(100, 4, OrchestrationConfig(relation="random")).relation_matrix
    # 10,000 entries of variance 1/100: the deviation of their variance is about 1.4 %.
    assert float(wide.var()) == pytest.approx(1 / 100, rel=0.1)
    torch.manual_seed(4)
    again = Orchestrator(100, 4, OrchestrationConfig(relation="random")).relation_matrix
    assert torch.equal(wide, again)


def test_other_widths_without_quaternions() -> None:
    for head in ("linear", "none"):
        assert Orchestrator(2, 6, OrchestrationConfig(head=head)).mixing_matrix(0).shape == (6, 6)
    with pytest.raises(CobotError, match="V=6 is not divisible by N=4"):
        Orchestrator(2, 6)


def test_the_report_of_what_is_left() -> None:
    lm = OrchestrationReport.of(trained(coefficients="lm", relation="identity"))
    np.testing.assert_array_equal(lm.relation_matrix, np.eye(SITES))
    np.testing.assert_array_equal(lm.communicated, lm.coefficients_lm)
    assert not lm.coefficients_mc.any()
    mc = OrchestrationReport.of(trained(coefficients="mc", head="none"))
    assert not mc.communicated.any()
    assert mc.coefficients_mc.any()
    assert not mc.departure.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coefficients": "ml"}, r"unknown coefficients 'ml': choose one of both, lm, mc, none"),
        ({"relation": "rand"}, r"unknown relation 'rand': choose one of learnable, random, iden"),
        ({"head": "mlp"}, r"unknown head 'mlp': choose one of hypercomplex, linear, none"),
        ({"group": 6}, r"group=6: choose a multiple of 4"),
        ({"coefficients": "none", "head": "none"}, r"leave nothing to orchestrate"),
    ],
)
def test_unknown_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(CobotError, match=message):
        OrchestrationConfig(**settings)  # type: ignore[arg-type]
