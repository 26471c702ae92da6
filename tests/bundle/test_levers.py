"""The levers of memory and speed, as ids of a bundle: they train, go on, and change no result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.bundle.conftest import ADOME, FAST, Run, run_bundle
from tests.bundle.test_resume import EPOCH_LENGTH, assert_same, train_until, weights

CACHE = "cache"
"""Stands for a folder of the test."""
LEVERS: dict[str, dict[str, Any]] = {
    "8gb": {"memory": "8gb", "accumulation": 3},
    "cached features": {"last_blocks": 4, "feature_cache": CACHE, "precision": "bf16"},
}
# Sums in another order, over eight steps of Adam, which divides by the root of their squares: what
# differs by rounding moves by a part of the rate of 1e-3.
STEPS = 2e-4


def placed(ids: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {name: str(folder / CACHE) if value == CACHE else value for name, value in ids.items()}


def assert_close(first: Path, second: Path, atol: float) -> None:
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys()
    for key, value in a.items():
        torch.testing.assert_close(
            value, b[key], rtol=0, atol=atol, msg=lambda m, k=key: f"{k} {m}"
        )


@pytest.mark.parametrize("lever", LEVERS)
def test_a_killed_run_goes_on_exactly(
    lever: str, train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {**placed(LEVERS[lever], tmp_path), "method": "adaptformer", "checkpoint_interval": 3}
    train(tmp_path / "whole", **ids)
    train_until(6, monkeypatch, train, tmp_path / "killed", **ids)
    train(tmp_path / "killed", **ids)
    assert_same(tmp_path / "whole", tmp_path / "killed")
    assert all(value.dtype == torch.float32 for value in weights(tmp_path / "whole").values())


def test_features_are_cached_once_and_give_the_same_run(train: Run, tmp_path: Path) -> None:
    cache = tmp_path / CACHE
    written: list[dict[Path, int]] = []
    for name in ("first", "second"):
        train(tmp_path / name, last_blocks=4, feature_cache=str(cache))
        written.append({file: file.stat().st_mtime_ns for file in cache.rglob("*.npy")})
    assert_same(tmp_path / "first", tmp_path / "second")
    assert written[0]
    assert written[0] == written[1]


@pytest.fixture(scope="module")
def without(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training without any lever."""
    folder = tmp_path_factory.mktemp("without") / "run"
    run_bundle(ADOME, "train", dataset_dir=str(cohort), output_dir=str(folder), epochs=1, **FAST)
    return folder


@pytest.mark.parametrize(
    "ids", [{"checkpoint_blocks": True, "prompt_chunk": 4}, {"attention": "folded"}], ids=str
)
def test_results_are_those_without(
    ids: dict[str, Any], train: Run, without: Path, tmp_path: Path
) -> None:
    train(tmp_path / "with", **ids)
    assert_close(without, tmp_path / "with", STEPS)


def test_precision_changes_the_result_a_little(train: Run, without: Path, tmp_path: Path) -> None:
    """That it is at work shows in the weights; that it is harmless in how little they move."""
    train(tmp_path / "bf16", precision="bf16")
    fp32, bf16 = weights(without), weights(tmp_path / "bf16")
    moved = [float((fp32[key] - bf16[key]).abs().max()) for key in fp32]
    assert max(moved) > 1e-6
    # Adam's steps are of the rate's size whatever the gradient's: eight of 1e-2 for orchestration.
    assert max(moved) < EPOCH_LENGTH * 1e-2


def test_accumulation_steps_once_for_several_batches(
    train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight batches, three at a time: after 3, 6, and what is left at the end of the epoch."""
    steps: list[int] = []
    step = torch.optim.Adam.step

    def count(self: torch.optim.Adam, *arguments: Any, **more: Any) -> Any:
        steps.append(1)
        return step(self, *arguments, **more)

    monkeypatch.setattr(torch.optim.Adam, "step", count)
    train(tmp_path / "run", accumulation=3)
    assert len(steps) == 3
