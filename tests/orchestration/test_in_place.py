"""The orchestration of SAM's own weights: tuned vectors and tuned matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from monai_cobot.errors import CobotError
from monai_cobot.orchestration import OrchestrationConfig, Orchestrator, hypercomplex_weight

# float64 products of a few dozen values of order one.
TOLERANCE = 1e-12

SITES, HIDDEN, GROUP = 3, 24, 12  # 24 = 2 x 12, the greatest multiple of 4 up to 16 that divides it


class Vector(nn.Module):
    """A vector, the seam, and nothing else."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.randn(length, dtype=torch.float64))
        self.mix: nn.Module = nn.Identity()

    def forward(self) -> Tensor:
        value: Tensor = self.mix(self.vector)
        return value


def build(trained: bool = True, **settings: object) -> Orchestrator:
    torch.manual_seed(0)
    config = OrchestrationConfig(**settings)  # type: ignore[arg-type]
    owner = Orchestrator(SITES, HIDDEN, config, in_place=True, dtype=torch.float64)
    if trained:
        with torch.no_grad():
            for parameter in owner.parameters():
                parameter.normal_()
    return owner


def added_by_hand(owner: Orchestrator, t: int) -> Tensor:
    """W_t (lm'[t] + mc[t]), group of features by group."""
    state = owner.state_dict()
    received = sum(state["relation_matrix"][t, m] * state["coefficients_lm"][m] for m in range(3))
    total = received + state["coefficients_mc"][t]
    w = hypercomplex_weight(state["blocks"][t])
    assert w.shape == (GROUP, GROUP)
    return torch.cat([w @ total[i : i + GROUP] for i in range(0, HIDDEN, GROUP)])


def test_vectors_of_several_sites_by_hand() -> None:
    owner, long, short = build(), Vector(2 * HIDDEN), Vector(HIDDEN)
    owner.attach_vectors([long, short])
    expected = long.vector + torch.cat([added_by_hand(owner, 0), added_by_hand(owner, 1)])
    torch.testing.assert_close(long(), expected, rtol=TOLERANCE, atol=TOLERANCE)
    expected = short.vector + added_by_hand(owner, 2)
    torch.testing.assert_close(short(), expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_a_vector_is_frozen_and_its_sets_are_tuned() -> None:
    owner, vectors = build(), [Vector(HIDDEN) for _ in range(SITES)]
    owner.attach_vectors(vectors)
    torch.stack([vector().square().sum() for vector in vectors]).sum().backward()
    assert not any(vector.vector.requires_grad for vector in vectors)
    for name, parameter in owner.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_behind_a_matrix_by_hand() -> None:
    owner, z = build(), torch.randn(2, 5, HIDDEN, dtype=torch.float64)
    state = owner.state_dict()
    for t in range(SITES):
        total = (state["relation_matrix"] @ state["coefficients_lm"])[t]
        scaled = z * (total + state["coefficients_mc"][t])
        w = hypercomplex_weight(state["blocks"][t])
        mixed = torch.cat([scaled[..., i : i + GROUP] @ w.T for i in (0, GROUP)], dim=-1)
        torch.testing.assert_close(owner(z, t), z + mixed, rtol=TOLERANCE, atol=TOLERANCE)
        torch.testing.assert_close(
            z @ owner.mixing_matrix(t).T, z + mixed, rtol=TOLERANCE, atol=TOLERANCE
        )


@pytest.mark.parametrize("head", ["hypercomplex", "linear", "none"])
@pytest.mark.parametrize("relation", ["learnable", "random", "identity"])
@pytest.mark.parametrize("coefficients", ["both", "lm", "mc"])
def test_nothing_is_added_at_the_start(coefficients: str, relation: str, head: str) -> None:
    owner = build(False, coefficients=coefficients, relation=relation, head=head)
    z = torch.randn(2, HIDDEN, dtype=torch.float64)
    for t in range(SITES):
        assert torch.equal(owner(z, t), z)
        assert not owner.displacements(t, 1).any()


@pytest.mark.parametrize(
    ("hidden", "group", "width"),
    [(768, 16, 16), (24, 16, 12), (24, 8, 8), (20, 16, 4), (16, 64, 16), (1280, 64, 64)],
)
def test_width_of_the_groups(hidden: int, group: int, width: int) -> None:
    config = OrchestrationConfig(group=group)
    owner = Orchestrator(2, hidden, config, in_place=True, device="meta")
    assert owner.width == width
    assert owner.weight(0).shape == (width, width)
    # Bottlenecks are narrow: their head takes all features, whatever the group.
    assert Orchestrator(2, 32, OrchestrationConfig(group=4)).weight(0).shape == (32, 32)


def test_refusals_change_nothing() -> None:
    vectors = [Vector(HIDDEN), Vector(HIDDEN + 1)]
    owner = Orchestrator(2, HIDDEN, in_place=True, dtype=torch.float64)
    message = r"2 vectors of lengths \[24, 25\] are not 2 sites of V=24"
    with pytest.raises(CobotError, match=message):
        owner.attach_vectors(vectors)
    with pytest.raises(CobotError, match=r"1 vectors of lengths \[24\] are not 2 sites"):
        owner.attach_vectors(vectors[:1])
    assert isinstance(vectors[0].mix, nn.Identity)
    assert vectors[0].vector.requires_grad
    whole = [Vector(2 * HIDDEN)]
    owner.attach_vectors(whole)
    with pytest.raises(CobotError, match="orchestrated already: fold it first"):
        owner.attach_vectors(whole)
    with pytest.raises(CobotError, match="coefficients: none leaves nothing to add"):
        build(coefficients="none")
