"""What is wrong with a dataset: raised at the first thing, or collected by who wants all of it.

A reader puts what it does for one entry (a case, an annotation, a line) into ``with aside(…)``. In
a training the first error ends the reading, as any error does. Within
``with collected() as problems`` the error is noted, the entry is left out, and the reader goes on
with the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from monai_cobot.errors import CobotError


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: what kind of thing, stable, for programs (``label_affine``).
        message: file or value, what is wrong, and after the last ": " the remedy.
        file: the file that has to be mended.
        case: the case that it belongs to, "" where it is of the whole dataset.
    """

    code: str
    message: str
    file: str = ""
    case: str = ""

    @property
    def what(self) -> str:
        """What is wrong, without the remedy and without the file at its beginning."""
        what = self.message.rpartition(": ")[0] or self.message
        rest = what.removeprefix(self.file)
        return what if not self.file or rest.startswith(" and ") else rest.lstrip(" :,")

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return self.message.rpartition(": ")[2] if ": " in self.message else ""


class Refused(CobotError):
    """A CobotError that says which problem it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


_COLLECTED: ContextVar[list[Problem] | None] = ContextVar("collected problems", default=None)


@contextmanager
def collected() -> Iterator[list[Problem]]:
    """Collect what ``aside`` would let through; gives the list that fills in the block."""
    problems: list[Problem] = []
    token = _COLLECTED.set(problems)
    try:
        yield problems
    finally:
        _COLLECTED.reset(token)


class aside:
    """Leave a block at a CobotError: it is raised on, or noted where problems are collected.

    Args:
        code: of the problem, where the error does not say it itself (``Refused``).
        file: likewise.
        case: name of the case, where the error names none.
    """

    def __init__(self, code: str, file: str | Path = "", case: object = "") -> None:
        self.code, self.file, self.case = code, str(file), str(case)

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Note a CobotError where problems are collected, and go on after the block."""
        problems = _COLLECTED.get()
        if problems is None or not isinstance(error, CobotError):
            return False
        problem = getattr(error, "problem", Problem(self.code, str(error), self.file))
        problems.append(replace(problem, case=problem.case or self.case))
        return True
