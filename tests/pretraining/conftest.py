"""A recipe that is done within a second: tiny SAM, few steps, every kind of prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monai_cobot.pretraining import PretrainingConfig
from monai_cobot.sam import SIZES
from tests.tiny_sam import TINY, warm_convolutions

Recipe = Callable[..., PretrainingConfig]

RECIPE: dict[str, Any] = {
    "sam": "tiny",
    "seed": 3,
    "steps": 6,
    "decay_steps": 2,
    "warmup_steps": 2,
    "plain_steps": 1,
    "batch_size": 2,
    "prompts": 3,
    "reuse": 2,
    "lr": 1.0e-3,
    "point_share": 0.4,
    "clicks": [0.4, 0.3, 0.3],
    "held_out": 0,
    "state_interval": 100,
    "workers": 0,
}


@pytest.fixture(scope="session", autouse=True)
def _warm_convolutions() -> None:
    warm_convolutions()


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Builds the recipe with other settings by name."""
    monkeypatch.setitem(SIZES, "tiny", TINY)

    def build(**settings: object) -> PretrainingConfig:
        return PretrainingConfig.from_mapping({**RECIPE, **settings})

    return build
