"""Adapter files: exact keys, small, bound to their base, refused elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam import (
    SAMSize,
    build_adapted_sam,
    build_from_adapter,
    build_random,
    load_adapter,
    make_manifest,
    read_manifest,
    save_adapter,
)
from tests.sam.conftest import Build
from tests.sam.test_adapted import VARIANTS


@pytest.mark.parametrize(("method", "orchestrate"), VARIANTS)
def test_round_trip(
    tmp_path: Path,
    build_tiny: Build,
    method: str,
    orchestrate: bool,
    images: Tensor,
    boxes: list[Tensor],
) -> None:
    model = build_tiny(method, orchestrate=orchestrate, trained=True)
    file = tmp_path / "adapter.safetensors"
    save_adapter(model, file, make_manifest(model, organs=["liver"], split_hash="abc", seed=3))
    fresh = build_tiny(method, orchestrate=orchestrate, seed=8)
    manifest = load_adapter(fresh, file)
    assert manifest["organs"] == ["liver"]
    assert manifest["split_hash"] == "abc"
    with torch.no_grad():
        assert torch.equal(fresh(images, boxes), model(images, boxes))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    with safe_open(file, framework="pt") as opened:
        assert set(opened.keys()) == trained
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter.safetensors"]


def test_model_is_rebuilt_from_the_file_alone(tmp_path: Path, tiny_size: SAMSize) -> None:
    model = build_adapted_sam(
        "tiny", "random", 96, "adaptformer", {"hidden": 8}, True, {"parametrisation": "product"}
    ).eval()
    with torch.no_grad():
        for value in model.adapter_state().values():
            value.add_(0.1)
    save_adapter(model, tmp_path / "a.safetensors", make_manifest(model))
    again = build_from_adapter(tmp_path / "a.safetensors").eval()
    image = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(again(image), model(image))
    assert read_manifest(tmp_path / "a.safetensors")["base"]["image_size"] == 96


def test_another_base_model_is_refused(tmp_path: Path, tiny_size: SAMSize) -> None:
    model = build_adapted_sam("tiny")
    save_adapter(model, tmp_path / "a.safetensors", make_manifest(model))
    torch.save(build_random(tiny_size, seed=77).state_dict(), tmp_path / "other.pth")
    other = build_adapted_sam("tiny", tmp_path / "other.pth")
    before = {key: value.clone() for key, value in other.state_dict().items()}
    with pytest.raises(CobotError, match=r"trained on another model; they differ in sha256 '"):
        load_adapter(other, tmp_path / "a.safetensors")
    for key, value in other.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "adaptformer"}, r"method 'lora' \(file\) and 'adaptformer' \(here\)"),
        ({"orchestrate": True}, r"orchestrate False \(file\) and True \(here\)"),
        ({"last_blocks": 2}, r"last_blocks None \(file\) and 2 \(here\)"),
        (
            {"options": {"rank": 8}},
            r"options \{'rank': 4, .*\(file\) and \{'rank': 8",
        ),
    ],
)
def test_another_method_or_setting_is_refused(
    tmp_path: Path, build_tiny: Build, settings: dict[str, object], message: str
) -> None:
    model = build_tiny("lora")
    save_adapter(model, tmp_path / "a.safetensors", make_manifest(model))
    method = str(settings.pop("method", "lora"))
    with pytest.raises(CobotError, match=message):
        load_adapter(build_tiny(method, **settings), tmp_path / "a.safetensors")


def test_defaults_written_out_are_the_same_settings(tmp_path: Path, build_tiny: Build) -> None:
    model = build_tiny("lora", orchestrate=True)
    save_adapter(model, tmp_path / "a.safetensors", make_manifest(model))
    same = {"options": {"rank": 4}, "orchestration": {"parametrisation": "direct"}}
    load_adapter(build_tiny("lora", orchestrate=True, **same), tmp_path / "a.safetensors")
    sizes = {"sites": 6, "hidden": 4, "blocks": 3, "width": 16}
    assert read_manifest(tmp_path / "a.safetensors")["sizes"] == sizes


def test_missing_and_unknown_keys_are_named(tmp_path: Path, build_tiny: Build) -> None:
    model = build_tiny("lora")
    file = tmp_path / "a.safetensors"
    save_adapter(model, file, make_manifest(model))
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    state = load_file(file)
    key = "sam.image_encoder.blocks.1.attn.qkv.lora_q.up.weight"
    state["stranger"] = state.pop(key)
    save_file(state, file, metadata=metadata)
    message = rf"missing {key}; not known stranger".replace(".", r"\.")
    with pytest.raises(CobotError, match=message):
        load_adapter(model, file)


def test_what_is_no_adapter_file_is_refused(tmp_path: Path, build_tiny: Build) -> None:
    with pytest.raises(CobotError, match=r"no adapter file at .*gone"):
        read_manifest(tmp_path / "gone.safetensors")
    damaged = {"manifest": '{"format": "monai_cobot/adapter/1", "base": {"sam": "tiny"}}'}
    save_file({"a": torch.zeros(1)}, tmp_path / "damaged.safetensors", metadata=damaged)
    with pytest.raises(CobotError, match=r"damaged\.safetensors lacks method, .*base sha256"):
        build_from_adapter(tmp_path / "damaged.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(CobotError, match=r"text\.safetensors is no adapter file"):
        read_manifest(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(CobotError, match=r"plain\.safetensors is no adapter file of this package"):
        read_manifest(tmp_path / "plain.safetensors")
