"""Adapter files of a tiny LoRA, with every trained tensor away from its start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from monai_cobot.sam import SIZES, CobotSAM, build_adapted_sam, make_manifest, save_adapter
from tests.tiny_sam import TINY, warm_convolutions

Trained = Callable[..., tuple[CobotSAM, Path]]
SPREAD = 0.1
"""Of what is added: updates are then as large as SAM's own projections."""


@pytest.fixture(scope="session", autouse=True)
def _warm_convolutions() -> None:
    warm_convolutions()


@pytest.fixture(autouse=True)
def _tiny_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", TINY)


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    """Builds a model that looks trained, and its adapter file."""

    def build(sam: str = "tiny", **settings: object) -> tuple[CobotSAM, Path]:
        weights = None if sam == "small" else "random"
        model = build_adapted_sam(sam, weights, **settings).eval()  # type: ignore[arg-type]
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(SPREAD * torch.randn(parameter.shape, generator=generator))
        file = tmp_path / "adapter.safetensors"
        organs = {"organs": {"liver": 1, "spleen": 2}} if model.organ_prompts else {}
        save_adapter(model, file, make_manifest(model, preprocessing={"modality": "CT"}, **organs))
        return model, file

    return build
