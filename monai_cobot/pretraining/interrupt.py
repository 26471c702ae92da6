"""Ctrl-C between two steps instead of within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def postponed_interrupt() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C only ask for a stop; the second one breaks in as usual.

    Beside the main thread, where Python takes no signals, nothing is changed.

    Yields:
        a function that tells whether a stop was asked for.
    """
    asked = False

    def ask(signal_number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def leave_interrupts_to_parent(worker: int) -> None:
    """Keep a loader's process alive at Ctrl-C; it ends with the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
