"""Organs and rows that the tests of the metrics share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from monai_cobot.metrics import Row


@dataclass(frozen=True)
class Organ:
    label: int
    name: str
    surface_tolerance_mm: float = 2.0


@pytest.fixture
def organs() -> list[Organ]:
    return [Organ(1, "liver", 5.0), Organ(2, "kidney_right", 3.0), Organ(4, "aorta")]


@pytest.fixture
def make_row() -> Callable[..., Row]:
    def make(**changes: Any) -> Row:
        values: dict[str, Any] = {
            "case": "a",
            "patient": changes.get("case", "a"),
            "organ": "liver",
            "instance": "",
            "protocol": "clinical",
            "prompts": "box",
            "dice": 0.8,
            "iou": changes.get("dice", 0.8) / (2 - changes.get("dice", 0.8)),
            "surface_dice": 0.7,
            "surface_tolerance_mm": 5.0,
            "hd95_mm": 4.0,
            "hd95_px": 2.0,
            "true_voxels": 10,
            "predicted_voxels": 12,
            "method": "lora",
            "orchestrate": True,
            "seed": 0,
            "split_hash": "abc",
            "split_by": "patient",
            "image_size": 256,
            "sam": "small",
            "weights": "random",
            "box_jitter": "exact",
        }
        return Row(**(values | changes))

    return make
