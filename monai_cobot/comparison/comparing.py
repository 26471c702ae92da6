"""The order of a comparison: checks, trials, trainings, and the test part at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from monai_cobot.comparison.jobs import Jobs, OneByOne
from monai_cobot.comparison.plan import MethodPlan, Plan
from monai_cobot.comparison.rates import Rates
from monai_cobot.comparison.results import BrokenRunError
from monai_cobot.comparison.scheduling import Schedule
from monai_cobot.comparison.steps import Step
from monai_cobot.comparison.study import Study
from monai_cobot.comparison.trials import MethodRuns, choose

PROMPTS = (
    *(("symmetric", size) for size in (0.0, 10.0, 25.0, 50.0)),
    *(("scale", size) for size in (0.8, 0.9, 1.1, 1.25, 1.5)),
    *(("shift", size) for size in (10.0, 25.0, 50.0)),
)
"""Changes of the boxes: px at 1024, for ``scale`` a factor of the sides."""

Key = TypeVar("Key")


@dataclass
class Compared:
    """What was run.

    Attributes:
        studies: a dataset each.
        trials: (dataset, method) -> validation Dice of its trials.
        evaluated: (dataset, method, seed) -> the finished evaluation; zero shot has no method.
        trained: (dataset, method, seed) -> the finished training that was evaluated.
        prompted: (dataset, method, mode, size) -> the finished evaluation with such boxes.
        broken: messages of runs that failed.
        withheld: whether the test part was kept shut because a training is broken.
        without_broken: whether it was read although one is.
    """

    studies: list[Study]
    trials: dict[tuple[str, str], dict[Rates, float]] = field(default_factory=dict)
    evaluated: dict[tuple[str, str | None, int], Step] = field(default_factory=dict)
    trained: dict[tuple[str, str, int], Step] = field(default_factory=dict)
    prompted: dict[tuple[str, str | None, str, float], Step] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    withheld: bool = False
    without_broken: bool = False

    def chosen(self, study: Study, method: MethodPlan) -> Rates | None:
        """The rates that a method is compared with; None where a trial is broken."""
        trials = self.trials.get((study.dataset.name, method.name))
        return None if trials is None else choose(trials)


class Comparison:
    """Runs a plan; the same plan continues where it was stopped.

    Args:
        plan: what is compared.
        tell: is given a line of progress a run.
        prompts: whether the first seed is evaluated with jittered, scaled and shifted boxes, too;
            those that are finished are collected in any case.
        without_broken: whether the test part is read although a training is broken.
        jobs: makes who carries the runs out, when they begin.

    Raises:
        CobotError: what can be refused before the first run: data, ids, rates, and finished runs in
            the folder that were made of something else.
    """

    def __init__(
        self,
        plan: Plan,
        tell: Callable[[str], None] = lambda line: None,
        prompts: bool = False,
        without_broken: bool = False,
        jobs: Callable[[], Jobs] = OneByOne,
    ) -> None:
        self.plan = plan
        self.prompts = PROMPTS if prompts else ()
        self.tell = tell
        self.without_broken = without_broken
        self.compared = Compared([Study.of(plan, dataset) for dataset in plan.datasets])
        self.open_jobs = jobs
        for study in self.compared.studies:
            for method in plan.methods:
                for rates in study.rates[method.name]:
                    # What is damaged is named when its turn comes.
                    with suppress(BrokenRunError):
                        study.training(method, rates, plan.seeds[0]).finished()

    @property
    def total(self) -> int:
        """Number of runs."""
        plan = self.plan
        trainings = plan.trials + len(plan.seeds) - 1
        return len(plan.datasets) * (
            len(plan.methods) * (trainings + len(plan.seeds) + len(self.prompts))
            + 1
            + len(self.prompts)
        )

    def run(self) -> Compared:
        """Trials, then the other seeds of each method, then the test part of all datasets."""
        with self.open_jobs() as jobs:
            schedule = Schedule(jobs, self.tell, self.total)
            self.compared.broken = schedule.broken
            self._train(schedule)
            self._decide()
            self._evaluate(schedule)
            self._evaluate_prompts(schedule)
        return self.compared

    def _train(self, schedule: Schedule) -> None:
        """A method's other seeds wait for its trials alone; results are in the plan's order."""
        rows = [(study, method) for study in self.compared.studies for method in self.plan.methods]
        found = [MethodRuns(schedule, study, method) for study, method in rows]
        for runs in found:
            runs.begin()
        schedule.finish()
        for runs in found:
            key = runs.study.dataset.name, runs.method.name
            if runs.scores is not None:
                self.compared.trials[key] = runs.scores
            self.compared.trained.update({(*key, seed): runs.trained[seed]
                                          for seed in self.plan.seeds
                                          if seed in runs.trained})  # fmt: skip

    def _decide(self) -> None:
        """The test part is read once: not before a broken training is mended or given up."""
        broken = bool(self.compared.broken)
        self.compared.without_broken = broken and self.without_broken
        self.compared.withheld = broken and not self.without_broken
        if self.compared.withheld:
            self.tell("runs are broken: the test part is not read")

    def _evaluate(self, schedule: Schedule) -> None:
        first = self.plan.seeds[0]
        found: dict[tuple[str, str | None, int], Step | None] = {}
        for study in self.compared.studies:
            name = study.dataset.name
            self._add(schedule, found, (name, None, first), study, None, first)
            for method in self.plan.methods:
                for seed in self.plan.seeds:
                    if (name, method.name, seed) in self.compared.trained:
                        self._add(schedule, found, (name, method.name, seed), study, method, seed)
        schedule.finish()
        self.compared.evaluated.update(_whole(found))

    def _evaluate_prompts(self, schedule: Schedule) -> None:
        first = self.plan.seeds[0]
        found: dict[tuple[str, str | None, str, float], Step | None] = {}
        for study in self.compared.studies:
            for method in (None, *self.plan.methods):
                key = (study.dataset.name, None if method is None else method.name, first)
                if key not in self.compared.evaluated:
                    continue
                for mode, size in PROMPTS:
                    jitter = {"mode": mode, "size": size}
                    self._add(schedule, found, (*key[:2], mode, size), study, method, first, jitter)
        schedule.finish()
        self.compared.prompted.update(_whole(found))

    def _add(
        self,
        schedule: Schedule,
        found: dict[Key, Step | None],
        key: Key,
        study: Study,
        method: MethodPlan | None,
        seed: int,
        jitter: Mapping[str, Any] | None = None,
    ) -> None:
        """Hand over an evaluation, unless it is withheld or not asked for."""
        asked = jitter is None or bool(self.prompts)
        if (self.compared.withheld or not asked) and not study.was_evaluated(method, seed, jitter):
            return
        rates = None if method is None else self.compared.chosen(study, method)
        found[key] = None  # its place in the order
        schedule.add(
            study.evaluation_name(method, seed, jitter),
            lambda: study.evaluation(method, rates, seed, jitter),
            partial(found.__setitem__, key),
            asked,
        )


def _whole(found: Mapping[Key, Step | None]) -> dict[Key, Step]:
    return {key: step for key, step in found.items() if step is not None}
