"""``monai-cobot merge`` and ``export-peft``: the commands around what the rooms test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from monai_cobot.cli import app
from monai_cobot.errors import CobotError
from monai_cobot.sam import (
    CobotSAM,
    build_adapted_sam,
    build_architecture,
    get_size,
    make_manifest,
    predict_masks,
    save_adapter,
)

RUNNER = CliRunner()
# What is exact on paper differs by rounding: the products are taken in another order.
RELATIVE = 1e-5


def train(file: Path, **settings: object) -> CobotSAM:
    """A small SAM that looks trained, and its adapter file."""
    model = build_adapted_sam("small", **settings).eval()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    organs = {"organs": {"liver": 1, "spleen": 2}} if model.organ_prompts else {}
    save_adapter(model, file, make_manifest(model, **organs))
    return model


def run(*arguments: object) -> str:
    result = RUNNER.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("method", ["lora", "ssf"])
def test_a_merged_file_loads_in_stock_classes_with_equal_masks(tmp_path: Path, method: str) -> None:
    adapter, merged = tmp_path / "a.safetensors", tmp_path / "merged.pth"
    model = train(adapter, method=method, orchestrate=True)
    output = run("merge", adapter, merged)
    assert "segment_anything classes of small built at image_size 256" in output
    assert "warning" not in output
    stock = build_architecture(get_size("small"))
    stock.load_state_dict(torch.load(merged, weights_only=True), strict=True)
    image = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(3))
    boxes = [torch.tensor([[50.0, 60.0, 200.0, 210.0]])]
    with torch.no_grad():
        ours, theirs = model(image, boxes), predict_masks(stock, image, boxes)
        untrained = predict_masks(build_adapted_sam("small", method="freeze").sam, image, boxes)
    assert (theirs - ours).norm() < RELATIVE * ours.norm()
    assert (untrained - ours).norm() > 0.1 * ours.norm()


def test_what_a_sam_file_cannot_hold_is_said(tmp_path: Path) -> None:
    adapter, merged = tmp_path / "a.safetensors", tmp_path / "merged.pth"
    train(adapter, method="lora", prompts="organ", organs=2)
    output = run("merge", adapter, merged)
    assert "merged.pth lacks the learned organ prompts" in output
    assert "the decoder was trained with organ prompts alone" in output
    described = json.loads((tmp_path / "merged.pth.json").read_text())
    assert len(described["left_out"]) == 2
    assert not [key for key in torch.load(merged, weights_only=True) if "organ" in key]
    pytest.importorskip("peft")
    output = run("export-peft", adapter, tmp_path / "out")
    assert "lacks the learned organ prompts" in output


def test_nothing_is_overwritten_silently(tmp_path: Path) -> None:
    adapter, merged = tmp_path / "a.safetensors", tmp_path / "merged.pth"
    train(adapter, method="lora")
    run("merge", adapter, merged)
    before = merged.read_bytes()
    with pytest.raises(CobotError, match=r"merged\.pth exists: choose another name"):
        run("merge", adapter, merged)
    (tmp_path / "other.pth.json").write_text("{}")
    with pytest.raises(CobotError, match=r"other\.pth\.json exists"):
        run("merge", adapter, tmp_path / "other.pth")
    train(adapter, method="lora", seed=1)
    run("merge", adapter, merged, "--overwrite")
    assert merged.read_bytes() != before
    with pytest.raises(CobotError, match=r"is no \.pth file"):
        run("merge", adapter, tmp_path / "merged.safetensors")


def test_methods_that_cannot_be_merged_are_refused_before_weights_are_read(tmp_path: Path) -> None:
    model = build_adapted_sam("vit_b", "random", 64, "adaptformer")
    manifest = make_manifest(model)
    manifest["base"]["weights"] = "sam_vit_b_01ec64.pth"  # which is not given below
    adapter = tmp_path / "a.safetensors"
    save_adapter(model, adapter, manifest)
    with pytest.raises(CobotError, match=r"'adaptformer' cannot be merged .*lora"):
        run("merge", adapter, tmp_path / "merged.pth")
    with pytest.raises(CobotError, match="'adaptformer' is no LoRA"):
        run("export-peft", adapter, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_export_peft_writes_the_base_where_asked(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    adapter = tmp_path / "a.safetensors"
    train(adapter, method="lora", orchestrate=True)
    assert "docs/export.md" in run("export-peft", adapter, tmp_path / "plain")
    run("export-peft", adapter, tmp_path / "whole", "--with-base")
    assert not (tmp_path / "plain" / "base").exists()
    assert (tmp_path / "whole" / "base" / "model.safetensors").is_file()
