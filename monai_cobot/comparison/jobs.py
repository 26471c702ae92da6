"""How the runs of a comparison are carried out: here one after the other, or as jobs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from monai_cobot.comparison.results import BrokenRunError
from monai_cobot.comparison.steps import Step
from monai_cobot.errors import CobotError


@dataclass(frozen=True)
class Outcome:
    """What became of a run: ``broken`` says why, ``ran`` whether there was anything to do."""

    ran: bool
    broken: str | None = None


def attempt(run: Callable[[], bool]) -> Outcome:
    """Run a step; what is broken is told, since the others go on."""
    try:
        return Outcome(run())
    except (BrokenRunError, CobotError, OSError) as error:
        return Outcome(False, str(error))


class Jobs(AbstractContextManager["Jobs"], Protocol):
    """Carries steps out; when it is left by an error or Ctrl-C, the processes are ended.

    Attributes:
        parallel: whether several run at once.
    """

    parallel: bool

    def submit(self, step: Step) -> Future[Outcome]:
        """Hand over a step; it waits for no other one."""
        ...

    def stop(self) -> None:
        """End what still runs."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class OneByOne(Jobs):
    """Each run in its turn, with the whole machine."""

    parallel = False

    def submit(self, step: Step) -> Future[Outcome]:
        """Run it now."""
        done: Future[Outcome] = Future()
        done.set_result(attempt(step.run))
        return done
