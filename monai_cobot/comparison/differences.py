"""Paired differences between two answers, patient by patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from monai_cobot.comparison.answers import Answer
from monai_cobot.comparison.names import ZERO_SHOT
from monai_cobot.comparison.plan import Plan

RESAMPLES = 2000
LEVEL = 0.95
FEWEST = 6
"""Patients from which on a Wilcoxon test can reach 0.05 on both sides (2 / 2^6 = 0.03)."""


@dataclass(frozen=True)
class Difference:
    """First minus second, over the patients of one dataset.

    Attributes:
        dataset: its name.
        first, second: names of the answers.
        score: ``dice`` or ``iou``.
        patients: number of pairs; a pair is a patient's means over targets and seeds.
        seeds: number of seeds that both have, over which they are; what was not trained has all.
        mean: of the differences.
        low, high: 95 % percentile bootstrap interval over the patients; NaN for fewer than two.
            It says how the mean varies with the patients, not with the seeds of the trainings.
        p: of the two-sided Wilcoxon signed-rank test; NaN for fewer than six patients, 1 where all
            differences are 0. Not corrected for the number of pairs.
    """

    dataset: str
    first: str
    second: str
    score: str
    patients: int
    seeds: int
    mean: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, first: Answer, second: Answer, seed: int = 0) -> Difference:
        """Pair two answers on the same dataset, seed by seed as far as both have it."""
        common = common_seeds(first, second)
        ours, theirs = (
            answer.of_patients(first.score, common if answer.cost else None)
            for answer in (first, second)
        )
        values = np.array([ours[name] - theirs[name] for name in ours if name in theirs])
        low, high = interval(values, seed)
        return cls(
            first.dataset, first.name, second.name, first.score, len(values), len(common),
            float(values.mean()) if len(values) else math.nan, low, high, wilcoxon(values),
        )  # fmt: skip


def common_seeds(first: Answer, second: Answer) -> list[int]:
    """Seeds of both trainings; those of the one where the other was not trained."""
    trained = [answer for answer in (first, second) if answer.cost]
    if not trained:
        return [*first.rows]
    return [seed for seed in trained[0].rows if all(seed in other.rows for other in trained)]


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def wilcoxon(values: np.ndarray) -> float:
    """Two-sided p of the signed-rank test, NaN for fewer than six values, 1 where all are 0."""
    if len(values) < FEWEST:
        return math.nan
    return float(stats.wilcoxon(values).pvalue) if np.any(values) else 1.0


def differences(plan: Plan, answers: Sequence[Answer]) -> list[Difference]:
    """The plan's pairs on every dataset, as far as both answers are there."""
    found = {(answer.dataset, answer.name): answer for answer in answers}
    return [
        Difference.of(found[dataset.name, first], found[dataset.name, second])
        for dataset in plan.datasets
        for first, second in pairs(plan)
        if (dataset.name, first) in found and (dataset.name, second) in found
    ]


def pairs(plan: Plan) -> list[tuple[str, str]]:
    """The plan's, else each method with zero shot and each orchestrated one with its plain one."""
    if plan.pairs is not None:
        return list(plan.pairs)
    with_zero_shot = [(method.name, ZERO_SHOT) for method in plan.methods]
    with_plain = [
        (method.name, plain.name)
        for method in plan.methods
        for plain in plan.methods
        if method.orchestrate
        and not plain.orchestrate
        and (method.method, method.options) == (plain.method, plain.options)
    ]
    return with_zero_shot + with_plain
