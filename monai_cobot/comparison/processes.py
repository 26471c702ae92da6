"""A process that ends with the one who waits for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Launch = Callable[[Sequence[str], Path], int]
"""Runs a command, appends what it says to a log, and gives its exit status."""

PAUSE_SECONDS = 0.2


class StoppedError(Exception):
    """The comparison was stopped while the process ran."""


def _never() -> bool:
    return False


def launch(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    stopped: Callable[[], bool] = _never,
) -> int:
    """Run a command and wait for it.

    It waits in short pauses: Ray stops a job by an interrupt that does not wake a blocked call.

    Args:
        command: program and arguments.
        log: its output is appended.
        environment: variables over those of this process.
        stopped: asked in every pause; where it is true the process is killed.

    Returns:
        the exit status.

    Raises:
        StoppedError: ``stopped`` said so. On any other exception, Ctrl-C too, it is killed as well.
    """
    with log.open("a") as output, subprocess.Popen(
        list(command),
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
    ) as process:  # fmt: skip
        try:
            while not stopped():
                try:
                    return process.wait(PAUSE_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
            raise StoppedError
        finally:
            process.kill()  # nothing where it has ended
