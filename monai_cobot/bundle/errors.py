"""User errors shown as such where MONAI runs a bundle."""

from __future__ import annotations

import sys
from types import TracebackType

from monai_cobot.errors import CobotError


def started_by_monai() -> bool:
    """Whether this process is ``python -m monai.bundle …``."""
    main = sys.modules.get("__main__")
    return getattr(getattr(main, "__spec__", None), "name", "") == "monai.bundle.__main__"


def user_error(error: BaseException | None) -> CobotError | None:
    """The CobotError that an error is or was caused by."""
    while error is not None and not isinstance(error, CobotError):
        error = error.__cause__
    return error


def show_user_errors() -> None:
    """Ends ``python -m monai.bundle run`` with a CobotError's message alone, exit status 1.

    MONAI wraps what a config raises into a ``RuntimeError`` about the expression or component,
    under whose traceback the remedy would be lost. Other errors are shown as ever, and so is
    everything in other processes.
    """
    if not started_by_monai():
        return
    ordinary = sys.excepthook

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        found = user_error(error)
        if found is None:
            ordinary(kind, error, traceback)
        else:
            print(f"error: {found}", file=sys.stderr)

    sys.excepthook = hook
