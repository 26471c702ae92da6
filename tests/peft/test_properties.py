"""What every method owes: a table of methods x properties."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.sam import build_architecture, get_size
from tests.peft.expected import (
    BASE,
    KEYS,
    ORCHESTRATION_KEYS,
    SIZES,
    VECTORS,
    VIT_B,
    expected_count,
)
from tests.peft.models import DEPTH, FEATURES, Model, image, small_encoder

# Relative to the largest value: rounding through a whole small encoder.
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}

ALL = list(VIT_B)
ORCHESTRATED = [case for case in ALL if case[1]]
WITH_PARAMETERS = [case for case in ALL if VIT_B[case]]

every = pytest.mark.parametrize(("method", "orchestrate"), ALL)
adapted = pytest.mark.parametrize(("method", "orchestrate"), WITH_PARAMETERS)
orchestrated = pytest.mark.parametrize("method", [method for method, _ in ORCHESTRATED])


def trained(method: str, orchestrate: bool, dtype: torch.dtype = torch.float64) -> Model:
    torch.manual_seed(0)
    model = Model(method, orchestrate, small_encoder(dtype=dtype)).eval()
    model.randomise_own()
    return model


def assert_same_function(model: nn.Module, expected: torch.Tensor) -> None:
    actual = model(image(expected.dtype)).detach()
    difference = (actual - expected).abs().max() / expected.abs().max()
    assert difference < TOLERANCE[expected.dtype]


def test_the_table_has_every_method() -> None:
    assert {method for method, _ in ALL} == set(peft.names()) == set(KEYS)
    assert {method for method, _ in ORCHESTRATED} == {
        name for name in peft.names() if peft.get(name).orchestratable
    }


@pytest.mark.parametrize("name", peft.names())
def test_every_no_has_its_reason(name: str) -> None:
    method = peft.get(name)
    for declared in vars(method).values():
        if isinstance(declared, peft.Declared):
            assert bool(declared.reason) != declared.holds
    assert method.foldable == bool(method.orchestratable)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("training", [True, False])
def test_identity_at_initialisation(
    method: str, orchestrate: bool, dtype: torch.dtype, training: bool
) -> None:
    expected = small_encoder(dtype=dtype)(image(dtype))
    model = Model(method, orchestrate, small_encoder(dtype=dtype)).train(training)
    same = torch.equal(model(image(dtype)), expected)
    assert same == peft.get(method).identity_at_start.holds


@adapted
def test_only_own_parameters_have_gradients(method: str, orchestrate: bool) -> None:
    model = trained(method, orchestrate)
    (model(image()) * torch.randn(8, 4, 4, dtype=torch.float64)).sum().backward()
    own = model.own()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (name in own), name
        assert (parameter.grad is not None) == (name in own), name
        assert name not in own or parameter.grad.abs().sum() > 0, name


@every
def test_the_exact_keys(method: str, orchestrate: bool) -> None:
    own = {f"encoder.{key}" for key in KEYS[method]}
    all_keys = {f"encoder.{key}" for key in BASE} | own
    if orchestrate:
        orchestration = {f"orchestrator.{key}" for key in ORCHESTRATION_KEYS}
        own = orchestration if method in VECTORS else own | orchestration
        all_keys |= orchestration
    model = Model(method, orchestrate)
    assert set(model.own()) == own
    assert set(model.state_dict()) == all_keys


@every
@pytest.mark.parametrize("sam", SIZES)
def test_the_exact_count(method: str, orchestrate: bool, sam: str) -> None:
    size = get_size(sam)
    with torch.device("meta"):
        model = Model(method, orchestrate, build_architecture(size).image_encoder)
    count = sum(parameter.numel() for parameter in model.own().values())
    assert count == expected_count(sam, method, orchestrate)
    if sam == "vit_b":
        assert count == VIT_B[method, orchestrate]


@adapted
def test_adapter_file_round_trip(method: str, orchestrate: bool, tmp_path: Path) -> None:
    model = trained(method, orchestrate)
    safetensors.torch.save_file(dict(model.own()), tmp_path / "adapter.safetensors")
    torch.manual_seed(5)
    other = Model(method, orchestrate).eval()
    state = safetensors.torch.load_file(tmp_path / "adapter.safetensors")
    missing, unexpected = other.load_state_dict(state, strict=False)
    assert not unexpected
    assert set(missing) == set(model.state_dict()) - set(model.own())
    assert torch.equal(other(image()), model(image()))


@every
def test_base_weights_load_after_adapting(method: str, orchestrate: bool) -> None:
    model = Model(method, orchestrate).eval()
    other = small_encoder(seed=5)
    missing, unexpected = model.encoder.load_state_dict(other.state_dict(), strict=False)
    assert not unexpected
    assert set(missing) == KEYS[method] - BASE
    if peft.get(method).identity_at_start:
        same = torch.equal(model(image()), other(image()))
        assert same == peft.get(method).follows_base.holds


@every
@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_use_their_own_tensors(method: str, orchestrate: bool, how: str) -> None:
    model = trained(method, orchestrate)
    expected = model(image())
    twin = copy.deepcopy(model) if how == "deepcopy" else pickle.loads(pickle.dumps(model))
    assert torch.equal(twin(image()), expected)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    assert torch.equal(model(image()), expected)
    changed = twin(image())
    for name, parameter in twin.own().items():
        with torch.no_grad():
            parameter.mul_(-1.5)
        assert not torch.equal(twin(image()), changed), f"the copy does not read its {name}"
        with torch.no_grad():
            parameter.div_(-1.5)


@every
def test_shared_tensors_are_one_storage(method: str, orchestrate: bool) -> None:
    encoder = small_encoder()
    before = {key: tensor.data_ptr() for key, tensor in encoder.state_dict().items()}
    model = Model(method, orchestrate, encoder)
    after = {key: tensor.data_ptr() for key, tensor in model.state_dict().items()}
    assert {key: after[f"encoder.{key}"] for key in before} == before
    assert len(set(after.values())) == len(after)


@every
def test_one_graph_under_dynamo(method: str, orchestrate: bool) -> None:
    model = trained(method, orchestrate)
    torch._dynamo.reset()
    explained = torch._dynamo.explain(model)(image())
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)


@adapted
def test_export(method: str, orchestrate: bool) -> None:
    model = trained(method, orchestrate)
    exported = torch.export.export(model, (image(),)).module()
    assert_same_function(exported, model(image()).detach())


@orchestrated
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fold_is_exact(method: str, dtype: torch.dtype) -> None:
    assert peft.get(method).foldable
    model = trained(method, True, dtype)
    expected = model(image(dtype)).detach()
    plain = Model(method, False, small_encoder(dtype=dtype)).eval()
    model.fold()
    assert_same_function(model, expected)
    assert set(model.own()) == {f"encoder.{key}" for key in KEYS[method]}
    assert all(parameter.requires_grad for parameter in model.own().values())
    plain.load_state_dict(model.state_dict())  # the keys of a plain model of the method
    assert_same_function(plain, expected)


@adapted
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_merge_is_exact_or_refused(method: str, orchestrate: bool, dtype: torch.dtype) -> None:
    model = trained(method, orchestrate, dtype)
    expected = model(image(dtype)).detach()
    if orchestrate:
        model.fold()
    if not peft.get(method).mergeable:
        before = model(image(dtype))
        with pytest.raises(CobotError, match=r"cannot be merged into SAM.*keep its adapter file"):
            peft.merge(model.encoder)
        assert torch.equal(model(image(dtype)), before)
        return
    for _ in range(3):  # merging three times is merging once
        peft.merge(model.encoder)
        assert_same_function(model, expected)
    stock = small_encoder(seed=9, dtype=dtype)
    stock.load_state_dict(model.encoder.state_dict())
    assert_same_function(stock, expected)
    assert {type(module) for module in model.encoder.modules()} == {
        type(module) for module in stock.modules()
    }


@pytest.mark.parametrize("method", ["freeze", "lightweight"])
def test_methods_without_adapters_change_nothing_in_the_encoder(method: str) -> None:
    encoder = small_encoder()
    adaptation = peft.get(method).inject(encoder, peft.config_from_mapping(method))
    assert (adaptation.sites, adaptation.hidden, adaptation.parameters) == (0, 0, ())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize(
    ("method", "sites", "hidden"),
    [
        ("lora", 2 * DEPTH, 4),
        ("dora", 2 * DEPTH, 4),
        ("adaptformer", DEPTH, 16),
        ("attention_tuning", DEPTH, FEATURES),
        ("bitfit", 11 * DEPTH, FEATURES),  # norms, q k v, proj, the MLP's 4 and 1
        ("ssf", 22 * DEPTH, FEATURES),
        ("vpt", 0, 0),
        ("full", 0, 0),
    ],
)
def test_sites_and_sizes_are_read_from_the_encoder(method: str, sites: int, hidden: int) -> None:
    encoder = small_encoder()
    adaptation = peft.get(method).inject(encoder, peft.config_from_mapping(method))
    assert (adaptation.sites, adaptation.hidden) == (sites, hidden)
    assert {bottleneck.down.in_features for bottleneck in adaptation.bottlenecks} <= {FEATURES}
    assert adaptation.bottlenecks == peft.bottlenecks(encoder)
    assert adaptation.vectors == peft.tuned_vectors(encoder)


@every
@pytest.mark.parametrize("training", [True, False])
def test_mode_is_kept(method: str, orchestrate: bool, training: bool) -> None:
    model = Model(method, orchestrate, small_encoder().train(training))
    assert {module.training for module in model.encoder.blocks.modules()} == {training}
