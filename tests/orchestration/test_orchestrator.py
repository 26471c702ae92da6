from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_cobot.errors import CobotError
from monai_cobot.orchestration import (
    OrchestrationConfig,
    Orchestrator,
    SiteMix,
    hypercomplex_weight,
    mode3_product,
)
from monai_cobot.orchestration.hamilton import PARAMETRISATIONS
from monai_cobot.orchestration.initialisation import orthogonal_matrices, unit_quaternions

# float64 products of a few dozen values of order one.
TOLERANCE = 1e-12

SITES, HIDDEN = 3, 8


class Narrow(nn.Module):
    """The seam and nothing else."""

    def __init__(self, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.down = nn.Linear(5, hidden, bias=False, dtype=torch.float64)
        self.mix: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.down(x))


class Model(nn.Module):
    """Registers the sites first and the orchestrator once."""

    def __init__(self) -> None:
        super().__init__()
        self.sites = nn.ModuleList(Narrow() for _ in range(SITES))
        self.orchestrator = Orchestrator(SITES, HIDDEN, dtype=torch.float64)
        randomise(self.orchestrator)
        self.orchestrator.attach(list(self.sites))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([site(x) for site in self.sites])


def randomise(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_mixing_matrix_is_the_formula_on_whole_tensors(model: Model) -> None:
    owner = model.orchestrator
    lm = torch.diag_embed(owner.coefficients_lm).permute(1, 2, 0)  # (V, V, T), frontal slices
    communicated = mode3_product(lm, owner.relation_matrix)
    for t in range(SITES):
        diagonal = communicated[:, :, t] + torch.diag(owner.coefficients_mc[t])
        w = hypercomplex_weight(owner.get_parameter("blocks")[t])
        close(owner.mixing_matrix(t), w @ diagonal)


def test_forward_applies_the_mixing_matrix(model: Model, x: Tensor) -> None:
    for t, site in enumerate(model.sites):
        z = site.down(x)
        w = model.orchestrator.mixing_matrix(t)
        expected = torch.stack([w @ row for row in z])
        close(site(x), expected)


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
@pytest.mark.parametrize("hidden", [4, 8, 16])
def test_first_values(parametrisation: str, hidden: int) -> None:
    config = OrchestrationConfig(parametrisation)
    owner = Orchestrator(SITES, hidden, config, dtype=torch.float64)
    assert torch.equal(owner.relation_matrix, torch.eye(SITES, dtype=torch.float64))
    assert torch.equal(owner.coefficients_lm, torch.ones(SITES, hidden, dtype=torch.float64))
    assert torch.equal(owner.coefficients_mc, torch.ones(SITES, hidden, dtype=torch.float64))
    for t in range(SITES):
        w = owner.weight(t)
        close(w @ w.mT, torch.eye(hidden, dtype=torch.float64))
        close(owner.mixing_matrix(t), 2 * w)
    assert not torch.allclose(owner.weight(0), owner.weight(1))


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_released_codes_first_values(parametrisation: str) -> None:
    owner = Orchestrator(SITES, 64, OrchestrationConfig(parametrisation, init="released_code"))
    for name in PARAMETRISATIONS[parametrisation].stacks:
        stack = owner.get_parameter(name).detach()
        assert not stack[:, 0].any()
        imaginary = stack[:, 1:]
        assert 0 <= imaginary.min() < 0.01
        assert 0.99 < imaginary.max() < 1


def test_random_quaternions_and_matrices() -> None:
    torch.manual_seed(0)
    close(unit_quaternions(5).norm(dim=-1), torch.ones(5, dtype=torch.float64))
    q = orthogonal_matrices(400, 2)
    close(q @ q.mT, torch.eye(2, dtype=torch.float64).expand(400, 2, 2))
    # Uniform over O(2): as many rotations as reflections (5 standard deviations of 1/20).
    assert abs(torch.linalg.det(q).mean()) < 0.25


def test_one_seed_gives_one_model_in_every_precision() -> None:
    torch.manual_seed(3)
    double = Orchestrator(SITES, HIDDEN, dtype=torch.float64)
    torch.manual_seed(3)
    single = Orchestrator(SITES, HIDDEN, dtype=torch.float32)
    assert torch.equal(double.weight(1).float(), single.weight(1))


@pytest.mark.parametrize(
    ("parametrisation", "stacks"), [("direct", 1), ("product", 2), ("product_as_printed", 2)]
)
def test_parameter_counts(parametrisation: str, stacks: int) -> None:
    owner = Orchestrator(24, 16, OrchestrationConfig(parametrisation), device="meta")
    expected = 2 * 24 * 16 + 24 * 24 + stacks * 24 * 16 * 16 // 4
    assert sum(parameter.numel() for parameter in owner.parameters()) == expected


def test_keys_are_a_handful_and_shared_by_nobody(model: Model) -> None:
    own = {"coefficients_lm", "coefficients_mc", "relation_matrix", "blocks"}
    keys = {f"orchestrator.{key}" for key in own} | {f"sites.{t}.down.weight" for t in range(SITES)}
    assert set(model.state_dict()) == keys
    assert not list(SiteMix(model.orchestrator, 0).modules())[1:]


def test_load_with_assign_keeps_the_sharing(model: Model, x: Tensor) -> None:
    other = Model()
    other.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    close(other(x), model(x))
    with torch.no_grad():
        other.orchestrator.relation_matrix.zero_()
    assert not torch.allclose(other(x), model(x))


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copy_reads_its_own_orchestrator(model: Model, x: Tensor, how: str) -> None:
    twin = copy.deepcopy(model) if how == "deepcopy" else pickle.loads(pickle.dumps(model))
    assert torch.equal(twin(x), model(x))
    before = model(x)
    with torch.no_grad():
        twin.orchestrator.coefficients_lm.zero_()
    assert torch.equal(model(x), before)
    assert not torch.allclose(twin(x), before)
    assert all(site.mix.orchestrator is twin.orchestrator for site in twin.sites)


def test_cast_and_move_reach_the_sites(model: Model, x: Tensor) -> None:
    assert model.float()(x.float()).dtype == torch.float32


def test_gradients_reach_every_parameter(model: Model, x: Tensor) -> None:
    model(x).pow(2).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_gradients_are_those_of_finite_differences(model: Model, x: Tensor) -> None:
    parameters = dict(model.named_parameters())

    def run(*values: Tensor) -> Tensor:
        named = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(model, named, (x,))

    assert torch.autograd.gradcheck(run, tuple(parameters.values()))


def test_one_dynamo_graph_and_export(model: Model, x: Tensor) -> None:
    explained = torch._dynamo.explain(model)(x)
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)
    exported = torch.export.export(model, (x,)).module()
    close(exported(x), model(x))


def test_folding_by_hand(model: Model, x: Tensor) -> None:
    for t, site in enumerate(model.sites):
        folded = model.orchestrator.mixing_matrix(t) @ site.down.weight
        close(F.linear(x, folded), site(x))


@pytest.mark.parametrize("hidden", [0, 2, 6, 17])
def test_v_not_divisible_by_n(hidden: int) -> None:
    with pytest.raises(CobotError, match=rf"V={hidden} is not divisible by N=4: choose .* 4"):
        Orchestrator(SITES, hidden)


def test_config_names_what_there_is() -> None:
    with pytest.raises(CobotError, match=r"unknown parametrisation 'a': choose one of direct, pro"):
        OrchestrationConfig("a")
    with pytest.raises(CobotError, match=r"unknown init 'b': choose one of orthogonal, released"):
        OrchestrationConfig(init="b")
    with pytest.raises(CobotError, match=r"n=8 is not possible: choose n=4"):
        OrchestrationConfig(n=8)


def test_attach_refuses_before_it_changes_anything() -> None:
    owner = Orchestrator(2, HIDDEN)
    with pytest.raises(CobotError, match=r"cannot orchestrate 0 sites: choose a method with"):
        Orchestrator(0, HIDDEN)
    with pytest.raises(CobotError, match=r"1 bottlenecks for an orchestrator of 2 sites"):
        owner.attach([Narrow()])
    sites = [Narrow(), Narrow(12)]
    with pytest.raises(CobotError, match=r"bottleneck 1 has V=12, the orchestrator V=8"):
        owner.attach(sites)
    assert isinstance(sites[0].mix, nn.Identity)
    sites = [Narrow(), Narrow()]
    owner.attach(sites)
    with pytest.raises(CobotError, match=r"bottleneck 0 is orchestrated already: fold it first"):
        owner.attach(sites)
