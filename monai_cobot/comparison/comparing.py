"""The order of a comparison: checks, trials, trainings, and the test part at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from monai_cobot.comparison.plan import MethodPlan, Plan
from monai_cobot.comparison.rates import Rates
from monai_cobot.comparison.results import BrokenRunError
from monai_cobot.comparison.steps import Step
from monai_cobot.comparison.study import Study
from monai_cobot.comparison.trials import choose, run_trials
from monai_cobot.errors import CobotError

PROMPTS = (
    *(("symmetric", size) for size in (0.0, 10.0, 25.0, 50.0)),
    *(("scale", size) for size in (0.8, 0.9, 1.1, 1.25, 1.5)),
    *(("shift", size) for size in (10.0, 25.0, 50.0)),
)
"""Changes of the boxes: px at 1024, for ``scale`` a factor of the sides."""


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
    """Runs a plan, one process at a time; the same plan continues where it was stopped.

    Args:
        plan: what is compared.
        tell: is given a line of progress a run.
        prompts: whether the first seed is evaluated with jittered, scaled and shifted boxes, too;
            those that are finished are collected in any case.
        without_broken: whether the test part is read although a training is broken.

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
    ) -> None:
        self.plan = plan
        self.prompts = PROMPTS if prompts else ()
        self.tell = tell
        self.without_broken = without_broken
        self.compared = Compared([Study.of(plan, dataset) for dataset in plan.datasets])
        self.done = 0
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
        """Trials of all datasets, then the other seeds, then the test part."""
        for study in self.compared.studies:
            for method in self.plan.methods:
                trials = run_trials(study, method, self._run_training)
                if trials is not None:
                    self.compared.trials[study.dataset.name, method.name] = trials
        for study in self.compared.studies:
            for method in self.plan.methods:
                self._train(study, method)
        self._decide()
        for study in self.compared.studies:
            self._evaluate(study)
        for study in self.compared.studies:
            self._evaluate_prompts(study)
        return self.compared

    def _train(self, study: Study, method: MethodPlan) -> None:
        rates = self.compared.chosen(study, method)
        if rates is None:
            return
        for seed in self.plan.seeds:
            step = study.training(method, rates, seed)
            if seed == self.plan.seeds[0] or self._run_training(step):
                self.compared.trained[study.dataset.name, method.name, seed] = step

    def _decide(self) -> None:
        """The test part is read once: not before a broken training is mended or given up."""
        broken = bool(self.compared.broken)
        self.compared.without_broken = broken and self.without_broken
        self.compared.withheld = broken and not self.without_broken
        if self.compared.withheld:
            self.tell("runs are broken: the test part is not read")

    def _evaluate(self, study: Study) -> None:
        name, first = study.dataset.name, self.plan.seeds[0]
        if zero_shot := self._evaluation(study, None, first):
            self.compared.evaluated[name, None, first] = zero_shot
        for method in self.plan.methods:
            for seed in self.plan.seeds:
                if (name, method.name, seed) not in self.compared.trained:
                    continue
                if step := self._evaluation(study, method, seed):
                    self.compared.evaluated[name, method.name, seed] = step

    def _evaluate_prompts(self, study: Study) -> None:
        name, first = study.dataset.name, self.plan.seeds[0]
        for method in (None, *self.plan.methods):
            key = (name, None if method is None else method.name, first)
            if key not in self.compared.evaluated:
                continue
            for mode, size in PROMPTS:
                jitter = {"mode": mode, "size": size}
                if step := self._evaluation(study, method, first, jitter):
                    self.compared.prompted[(*key[:2], mode, size)] = step

    def _evaluation(
        self,
        study: Study,
        method: MethodPlan | None,
        seed: int,
        jitter: Mapping[str, Any] | None = None,
    ) -> Step | None:
        """The finished evaluation; None where it is broken, withheld or not asked for."""
        asked = jitter is None or bool(self.prompts)
        if (self.compared.withheld or not asked) and not study.was_evaluated(method, seed, jitter):
            return None
        rates = None if method is None else self.compared.chosen(study, method)
        return self._run(
            study.evaluation_name(method, seed, jitter),
            lambda: study.evaluation(method, rates, seed, jitter),
            asked,
        )

    def _run_training(self, step: Step) -> bool:
        return self._run(step.name, lambda: step) is not None

    def _run(self, name: str, build: Callable[[], Step], counted: bool = True) -> Step | None:
        """The step with its result; a broken one is written down, and the others go on.

        It is built here, since that reads files which may be damaged.
        """
        self.done += counted
        place = f"[{self.done}/{self.total}] {name}" if counted else name
        if counted:
            self.tell(f"{place}: …")
        try:
            step = build()
            self.tell(f"{place}: {'done' if step.run() else 'kept'}")
        except (BrokenRunError, CobotError, OSError) as error:
            said = str(error)
            self.compared.broken.append(said if said.startswith(name) else f"{name}: {said}")
            self.tell(f"{place}: broken: {error}")
            return None
        return step
