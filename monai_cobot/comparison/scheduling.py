"""Runs that are handed over as jobs, and what follows when they are done."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from monai_cobot.comparison.jobs import Jobs, Outcome
from monai_cobot.comparison.processes import PAUSE_SECONDS
from monai_cobot.comparison.results import BrokenRunError
from monai_cobot.comparison.steps import Step
from monai_cobot.errors import CobotError

Then = Callable[[Step | None], None]
"""Is given the step with its result, or None where it is broken."""


@dataclass(frozen=True)
class _Waiting:
    name: str
    counted: bool
    step: Step
    then: Then


class Schedule:
    """Hands steps over, tells of them, and keeps what is broken.

    Args:
        jobs: who carries them out.
        tell: is given the lines of progress.
        total: number of runs, for these lines.

    Attributes:
        broken: messages of runs that failed.
    """

    def __init__(self, jobs: Jobs, tell: Callable[[str], None], total: int) -> None:
        self.jobs, self.tell, self.total = jobs, tell, total
        self.broken: list[str] = []
        self._waiting: dict[Future[Outcome], _Waiting] = {}
        self._begun = self._ended = 0

    def add(self, name: str, build: Callable[[], Step], then: Then, counted: bool = True) -> None:
        """Hand over a step; ``then`` follows within this call or in :meth:`finish`.

        It is built here, since that reads files which may be damaged. What is not ``counted`` is
        there already, and its result is collected alone.
        """
        self._begun += counted
        if counted and not self.jobs.parallel:
            self.tell(f"[{self._begun}/{self.total}] {name}: …")
        try:
            step = build()
        except (BrokenRunError, CobotError, OSError) as error:
            then(self._told(name, counted, None, Outcome(False, str(error))))
            return
        future = self.jobs.submit(step)
        self._waiting[future] = _Waiting(name, counted, step, then)
        if not self.jobs.parallel:
            self._collect(future)

    def finish(self) -> None:
        """Wait for all of them, and for those that are added by what follows.

        In short pauses: a signal that comes just before a blocked call does not end it, and Ctrl-C
        would be heard when the next run is done, which may take hours.
        """
        while self._waiting:
            done, _ = wait(self._waiting, timeout=PAUSE_SECONDS, return_when=FIRST_COMPLETED)
            for future in [future for future in self._waiting if future in done]:
                self._collect(future)

    def _collect(self, future: Future[Outcome]) -> None:
        run = self._waiting.pop(future)
        run.then(self._told(run.name, run.counted, run.step, future.result()))

    def _told(self, name: str, counted: bool, step: Step | None, found: Outcome) -> Step | None:
        self._ended += counted
        place = f"[{self._ended}/{self.total}] {name}" if counted else name
        if found.broken is not None:
            said = found.broken
            self.broken.append(said if said.startswith(name) else f"{name}: {said}")
            self.tell(f"{place}: broken: {said}")
            return None
        self.tell(f"{place}: {'done' if found.ran else 'kept'}")
        return step
