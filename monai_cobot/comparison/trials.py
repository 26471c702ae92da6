"""The rates of a method: as many trials for each, judged on the validation part."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from monai_cobot.comparison.plan import MethodPlan
from monai_cobot.comparison.rates import Rates
from monai_cobot.comparison.results import best_dice
from monai_cobot.comparison.steps import Step
from monai_cobot.comparison.study import Study


def run_trials(
    study: Study, method: MethodPlan, run: Callable[[Step], bool]
) -> dict[Rates, float] | None:
    """Best validation Dice of every trial.

    ``run`` runs a step and says whether its result is there and can be read. None where a trial is
    broken: a method with fewer trials than the others is not compared.
    """
    found = {}
    for rates in study.rates[method.name]:
        step = study.training(method, rates, study.plan.seeds[0])
        if run(step):
            found[rates] = best_dice(step.folder)
    return found if len(found) == len(study.rates[method.name]) else None


def choose(trials: Mapping[Rates, float]) -> Rates:
    """The rates with the highest validation Dice; of equal ones the first, NaN never."""
    return max(trials, key=lambda rates: -math.inf if math.isnan(trials[rates]) else trials[rates])
