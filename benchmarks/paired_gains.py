"""Gains over zero shot and of the orchestration, patient by patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from monai_cobot.metrics import Row, series_name

PAIRS = (("LoRA + orchestration", "LoRA"), ("Adaptformer + orchestration", "Adaptformer"))


def compare(rows: Sequence[Row], code: str) -> list[dict[str, Any]]:
    """Mean Dice over patients and seeds, and paired gains over zero shot by patient.

    A patient's value (a picture's, where pictures are of no one) is the mean over its targets and
    the seeds, so that neither targets nor seeds count as patients. ``deviation`` is over the seeds'
    means, ``standard_error`` that of the gain. ``dice_of_targets`` is the mean over all targets.
    The last lines are the gains of the orchestration.
    """
    found: dict[str, dict[str, dict[int, list[float]]]] = {}
    for row in rows:
        by_patient = found.setdefault(series_name(row.method, row.orchestrate), {})
        by_patient.setdefault(row.patient, {}).setdefault(row.seed, []).append(row.dice)
    values = {
        name: {patient: _mean(_mean(dice) for dice in seeds.values())
               for patient, seeds in by_patient.items()}
        for name, by_patient in found.items()
    }  # fmt: skip
    table = []
    for name, by_patient in found.items():
        seeds = sorted({seed for seeds in by_patient.values() for seed in seeds})
        means = [_mean(_mean(dice[seed]) for dice in by_patient.values()) for seed in seeds]
        targets = [d for seeds in by_patient.values() for dice in seeds.values() for d in dice]
        table.append({
            "dataset": code, "answer": name, "seeds": len(seeds), "patients": len(by_patient),
            "dice": _mean(means),
            "deviation": float(np.std(means, ddof=1)) if len(means) > 1 else float("nan"),
            "dice_of_targets": _mean(targets),
            **_gain(values[name], values["zero shot"]),
        })  # fmt: skip
    for better, plain in PAIRS:
        table.append({
            "dataset": code, "answer": f"{better} over {plain}",
            **_gain(values[better], values[plain]),
        })  # fmt: skip
    return table


def _gain(values: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    gains = np.array([value - base[patient] for patient, value in values.items()])
    return {
        "gain": float(gains.mean()),
        "standard_error": float(gains.std(ddof=1) / np.sqrt(len(gains))),
    }


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
