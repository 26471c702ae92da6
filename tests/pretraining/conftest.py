"""A recipe that is done within a second: tiny SAM, few steps, every kind of prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from monai_cobot.pretraining import Pretraining, PretrainingConfig
from monai_cobot.sam import SIZES
from tests.tiny_sam import TINY, warm_convolutions

Recipe = Callable[..., PretrainingConfig]

STAGE: dict[str, Any] = {
    "image_size": 64,
    "steps": 6,
    "warmup_steps": 2,
    "decay_steps": 2,
    "batch_size": 2,
    "prompts": 3,
    "lr": 1.0e-3,
    "focused": True,
    "point_share": 0.4,
    "clicks": [0.4, 0.3, 0.3],
    "jitters": [{"mode": "proportional", "size": 0}, {"mode": "symmetric", "size": 50}],
}
SMALL_PICTURES: dict[str, Any] = {
    **STAGE,
    "image_size": 48,
    "steps": 2,
    "decay_steps": 0,
    "focused": False,
    "point_share": 0.0,
    "clicks": [1.0],
}
"""A stage before it, with another side."""
RECIPE: dict[str, Any] = {
    "sam": "tiny",
    "seed": 3,
    "reuse": 2,
    "stages": [STAGE],
    "held_out": 0,
    "state_interval": 100,
    "workers": 0,
}


def train(config: PretrainingConfig, folder: Path, until: int | None = None) -> Pretraining:
    """A run in a folder, trained to its end or to a step."""
    run = Pretraining(config, folder)
    run.run(until)
    return run


@pytest.fixture(scope="session", autouse=True)
def _warm_convolutions() -> None:
    warm_convolutions()


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Builds the recipe with other settings by name, of the run or of its last stage.

    ``before`` are the stages before.
    """
    monkeypatch.setitem(SIZES, "tiny", TINY)

    def build(before: Sequence[dict[str, Any]] = (), **settings: object) -> PretrainingConfig:
        last = {key: settings.pop(key) for key in [*settings] if key in STAGE}
        stages = [*before, {**STAGE, **last}]
        return PretrainingConfig.from_mapping({**RECIPE, "stages": stages, **settings})

    return build
