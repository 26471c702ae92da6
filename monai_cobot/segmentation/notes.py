"""Warnings kept for the summary, where they do not break a progress bar."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.notes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.notes.append(record.getMessage())


@contextmanager
def collected_notes() -> Iterator[list[str]]:
    """Warnings of this package while the block runs, instead of on the terminal.

    Ignite's report that a run ends by an error is left out: the error itself says it.

    Yields:
        the messages, filled while the block runs.
    """
    package, collector = logging.getLogger("monai_cobot"), _Collector()
    package.addHandler(collector)
    propagated, package.propagate = package.propagate, False
    try:
        with quiet("ignite", logging.CRITICAL):
            yield collector.notes
    finally:
        package.removeHandler(collector)
        package.propagate = propagated


@contextmanager
def quiet(logger: str, level: int) -> Iterator[None]:
    """Lets a logger, and those below it that set no level, pass nothing under a level."""
    chosen = logging.getLogger(logger)
    before = chosen.level
    chosen.setLevel(level)
    try:
        yield
    finally:
        chosen.setLevel(before)
