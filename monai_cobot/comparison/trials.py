"""The rates of a method: as many trials for each, judged on the validation part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from monai_cobot.comparison.plan import MethodPlan
from monai_cobot.comparison.rates import Rates
from monai_cobot.comparison.results import best_dice
from monai_cobot.comparison.scheduling import Schedule, Then
from monai_cobot.comparison.steps import Step
from monai_cobot.comparison.study import Study


def choose(trials: Mapping[Rates, float]) -> Rates:
    """The rates with the highest validation Dice; of equal ones the first, NaN never."""
    return max(trials, key=lambda rates: -math.inf if math.isnan(trials[rates]) else trials[rates])


class MethodRuns:
    """The trainings of a method on a dataset: its trials, then the other seeds.

    Args:
        schedule: to which they are handed.
        study: the dataset.
        method: the row.

    Attributes:
        scores: best validation Dice of every trial; None as long as one is missing, and for good
            where one is broken: a method with fewer trials than the others is not compared.
        trained: seed -> the training with the chosen rates.
    """

    def __init__(self, schedule: Schedule, study: Study, method: MethodPlan) -> None:
        self.schedule, self.study, self.method = schedule, study, method
        self.scores: dict[Rates, float] | None = None
        self.trained: dict[int, Step] = {}
        self._tried: dict[Rates, Step | None] = {}

    def begin(self) -> None:
        """Hand over the trials."""
        for rates in self.study.rates[self.method.name]:
            step = self.study.training(self.method, rates, self.study.plan.seeds[0])
            self._add(step, partial(self._try, rates))

    def _add(self, step: Step, then: Then) -> None:
        self.schedule.add(step.name, lambda: step, then)

    def _try(self, rates: Rates, step: Step | None) -> None:
        self._tried[rates] = step
        tried = {rates: self._tried.get(rates) for rates in self.study.rates[self.method.name]}
        whole = {rates: step for rates, step in tried.items() if step is not None}
        if len(whole) == len(tried):
            self.scores = {rates: best_dice(step.folder) for rates, step in whole.items()}
            self._train(choose(self.scores))

    def _train(self, rates: Rates) -> None:
        first, *others = self.study.plan.seeds
        self.trained[first] = self.study.training(self.method, rates, first)
        for seed in others:
            self._add(self.study.training(self.method, rates, seed), partial(self._keep, seed))

    def _keep(self, seed: int, step: Step | None) -> None:
        if step is not None:
            self.trained[seed] = step
