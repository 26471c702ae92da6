"""The rows of the paper's Table 1 as settings of one model, and adapter files of ablations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam import fold, load_adapter, make_manifest, merge, predict_masks, save_adapter
from tests.sam.conftest import Build

# What is exact on paper differs by rounding through the whole network in single precision.
RELATIVE = 3e-6

# Parameters of the orchestration of LoRA: T = 6 sites of V = 4.
TABLE_1: list[tuple[dict[str, Any] | None, int]] = [
    (None, 0),
    ({"coefficients": "mc", "head": "none"}, 24),
    ({"coefficients": "lm", "head": "none"}, 24 + 36),
    ({"coefficients": "both", "head": "none"}, 48 + 36),
    ({"coefficients": "none"}, 24),
    ({}, 48 + 36 + 24),
]
OTHERS = [{"relation": "random"}, {"relation": "identity"}, {"head": "linear"}]


def relative(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


@pytest.mark.parametrize(("settings", "parameters"), TABLE_1)
def test_the_six_rows(
    build_tiny: Build,
    settings: dict[str, Any] | None,
    parameters: int,
    images: Tensor,
    boxes: list[Tensor],
) -> None:
    orchestrate = settings is not None
    model = build_tiny("lora", orchestrate=orchestrate, orchestration=settings, trained=True)
    assert model.trainable_parameters()["orchestration"] == parameters
    with torch.no_grad():
        expected = model(images, boxes)
        assert relative(fold(model)(images, boxes), expected) < RELATIVE
        assert relative(predict_masks(merge(model), images, boxes), expected) < RELATIVE


@pytest.mark.parametrize("method", ["lora", "adaptformer", "dora", "bitfit", "attention_tuning"])
@pytest.mark.parametrize("settings", OTHERS)
def test_adapter_files_of_ablations(
    build_tiny: Build,
    method: str,
    settings: dict[str, Any],
    tmp_path: Path,
    images: Tensor,
    boxes: list[Tensor],
) -> None:
    model = build_tiny(method, orchestrate=True, orchestration=settings, trained=True)
    save_adapter(model, tmp_path / "a.safetensors", make_manifest(model))
    fresh = build_tiny(method, orchestrate=True, orchestration=settings, seed=8)
    load_adapter(fresh, tmp_path / "a.safetensors")  # a random relation matrix comes along
    with torch.no_grad():
        expected = model(images, boxes)
        assert torch.equal(fresh(images, boxes), expected)
        assert relative(fold(model)(images, boxes), expected) < RELATIVE
    with pytest.raises(CobotError, match=r"they differ in orchestration"):
        load_adapter(build_tiny(method, orchestrate=True), tmp_path / "a.safetensors")


def test_the_fixed_random_matrix_is_not_trained(build_tiny: Build) -> None:
    model = build_tiny("lora", orchestrate=True, orchestration={"relation": "random"})
    assert "orchestrator.relation_matrix" in model.adapter_keys()
    (group,) = [g for g in model.parameter_groups(1e-3, 1e-2) if g["name"] == "orchestration_lr"]
    assert sum(parameter.numel() for parameter in group["params"]) == 48 + 24


def test_adapter_files_from_before_the_ablations_load(build_tiny: Build, tmp_path: Path) -> None:
    model = build_tiny("lora", orchestrate=True, trained=True)
    file, old = tmp_path / "a.safetensors", tmp_path / "old.safetensors"
    save_adapter(model, file, make_manifest(model))
    with safe_open(file, framework="pt") as opened:
        manifest = json.loads(opened.metadata()["manifest"])
    manifest["orchestration"] = {"parametrisation": "direct", "init": "orthogonal", "n": 4}
    save_file(load_file(file), old, metadata={"manifest": json.dumps(manifest)})
    fresh = build_tiny("lora", orchestrate=True, seed=8)
    load_adapter(fresh, old)
    for key, value in model.adapter_state().items():
        assert torch.equal(fresh.adapter_state()[key], value)


def test_rates_of_orchestrated_biases(build_tiny: Build) -> None:
    """The two sets take the biases' place: they are the orchestration's, and do not decay."""
    model = build_tiny("bitfit", orchestrate=True)
    counts = model.trainable_parameters()
    sites = 11 * 3  # norms, q k v, proj, four and one of the MLP; three blocks of width 16
    assert counts["peft"] == 0
    assert counts["orchestration"] == 2 * sites * 16 + sites**2 + sites * 16 * 16 // 4
    folded = fold(model)
    assert folded.trainable_parameters()["peft"] == sites * 16
