"""What is made once for all sites is what each makes for itself, and is never stale."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from monai_cobot.orchestration import OrchestrationConfig, Orchestrator
from tests.operators import Operators
from tests.orchestration.test_orchestrator import HIDDEN, SITES, TOLERANCE, Narrow, randomise

SETTINGS = (
    {},
    {"parametrisation": "product"},
    {"coefficients": "lm"},
    {"coefficients": "mc", "head": "linear"},
    {"coefficients": "none"},
    {"relation": "random", "head": "none"},
)


class Holder(nn.Module):
    """Runs its sites one after the other; together or, without the hooks, each for itself."""

    def __init__(self, together: bool, in_place: bool = False, **settings: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.sites = nn.ModuleList(Narrow() for _ in range(SITES))
        self.owner = Orchestrator(
            SITES, HIDDEN, OrchestrationConfig(**settings), in_place=in_place, dtype=torch.float64
        )
        randomise(self)
        self.owner.attach(list(self.sites))  # type: ignore[arg-type]
        if together:
            self.owner.forward_cache.within(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([site(x) for site in self.sites])


def step(model: nn.Module) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Output, and the gradients of a weighted sum of it."""
    model.zero_grad()
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    y = model(x)
    (y * torch.randn(y.shape, generator=generator, dtype=torch.float64)).sum().backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    return y.detach(), {name: grad for name, grad in found.items() if grad is not None}


def assert_equal(actual: Any, expected: Any) -> None:
    torch.testing.assert_close(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("settings", "in_place"),
    [
        (settings, in_place)
        for settings in SETTINGS
        for in_place in (False, True)
        # SAM's own weights need coefficients.
        if not (in_place and settings.get("coefficients") == "none")
    ],
    ids=str,
)
def test_same_results_and_gradients(settings: dict[str, Any], in_place: bool) -> None:
    assert_equal(
        step(Holder(True, in_place, **settings)), step(Holder(False, in_place, **settings))
    )


def test_heads_are_built_once() -> None:
    """A head has eight times a sign turned, whatever the number of sites: not once a site."""
    counts = []
    for together in (True, False):
        model = Holder(together)
        with Operators() as operators, torch.no_grad():
            model(torch.zeros(2, 5, dtype=torch.float64))
        counts.append(operators.counts["aten.neg.default"])
    assert counts == [6, 6 * SITES]


def test_nothing_is_kept_and_nothing_is_stale() -> None:
    model = Holder(True)
    before = step(model)[0]
    assert model.owner.forward_cache.made is None
    with torch.no_grad():
        model.owner.coefficients_mc.add_(1)
    twice = [step(model) for _ in range(2)]  # a graph that was kept would be freed by now
    assert_equal(twice[0], twice[1])
    assert not torch.allclose(twice[0][0], before)


def test_nothing_is_kept_after_an_error() -> None:
    model = Holder(True)
    with pytest.raises(RuntimeError):
        model(torch.zeros(2, 6, dtype=torch.float64))
    assert model.owner.forward_cache.made is None


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_reads_its_own_owner(clone: Any) -> None:
    model = Holder(True)
    twin = clone(model)
    with torch.no_grad():
        model.owner.coefficients_mc.zero_()
    twin.owner.forward_cache.remove()  # the copy's hooks, and not the original's
    with Operators() as operators, torch.no_grad():
        found = twin(torch.ones(2, 5, dtype=torch.float64))
    assert operators.counts["aten.neg.default"] == 6 * SITES
    assert_equal(found, Holder(False)(torch.ones(2, 5, dtype=torch.float64)).detach())
    assert len(model._forward_pre_hooks) == 1


def test_removed() -> None:
    model = Holder(True)
    model.owner.forward_cache.remove()
    assert not model._forward_pre_hooks
    assert not model._forward_hooks
