"""A plan on a few phantoms, and answers made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_cobot.comparison.answers import Answer, Cost
from monai_cobot.data.phantom import make_cohort
from monai_cobot.metrics import Row, Run
from monai_cobot.metrics.table import volume_rows
from monai_cobot.metrics.volume import OrganScore
from tests.bundle.conftest import ADOME

FAST = {
    "sam": "small", "sam_checkpoint": "random", "image_size": 64, "batch_size": 4, "epochs": 1,
    "prompts": "box",
}  # fmt: skip
SHAPE = (48, 48, 16)
COST = Cost(147456, 4205796, 0.25, 1024 * 2**20, "process", 3 * 2**20)

WritePlan = Callable[..., Path]


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five synthetic patients; not to be changed."""
    return make_cohort(tmp_path_factory.mktemp("comparison") / "phantoms", 5, seed=5, shape=SHAPE)


@pytest.fixture
def write_plan(tmp_path: Path, phantoms: Path) -> WritePlan:
    """Writes a YAML: write_plan(**what differs); None removes a key."""

    def write(**changes: Any) -> Path:
        plan: dict[str, Any] = {
            "out": "comparison",
            "settings": FAST,
            "rates": {"lr": [1e-3, 3e-3], "orchestration_lr": [1e-2, 3e-2]},
            "methods": ["lightweight", {"method": "lora", "orchestrate": True}],
            "datasets": [{"bundle": str(ADOME), "dataset_dir": str(phantoms)}],
        }
        plan = {key: value for key, value in {**plan, **changes}.items() if value is not None}
        file = tmp_path / "plan.yaml"
        file.write_text(yaml.safe_dump(plan))
        return file

    return write


def make_row(patient: str, organ: str, dice: float, case: str = "", method: str = "lora") -> Row:
    """A clinical row; IoU follows from the Dice. Without a Dice the organ is nowhere."""
    nan = float("nan")
    voxels = 0 if math.isnan(dice) else 10
    score = OrganScore(organ, dice, dice / (2 - dice), nan, nan, nan, nan, voxels, voxels, nan, nan)
    run = Run(method, False, 0, "hash", "patient", 64, "small", "random", "exact")
    return volume_rows([score], run, case=case or patient, patient=patient)[0]


def make_answer(
    name: str,
    seeds: Mapping[int, Mapping[str, float]],
    cost: Cost | None = None,
    planned: int | None = None,
) -> Answer:
    """An answer with one organ a patient: seed -> patient -> Dice."""
    rows = {
        seed: [make_row(patient, "liver", dice) for patient, dice in found.items()]
        for seed, found in seeds.items()
    }
    return Answer("DATA", name, "dice", rows, cost, planned or len(seeds))
