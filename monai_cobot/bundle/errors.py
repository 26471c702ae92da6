"""User errors shown as one line where MONAI runs a bundle."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from monai_cobot.errors import CobotError

P = ParamSpec("P")
R = TypeVar("R")


def started_by_monai() -> bool:
    """Whether this process is ``python -m monai.bundle …``."""
    main = sys.modules.get("__main__")
    return getattr(getattr(main, "__spec__", None), "name", "") == "monai.bundle.__main__"


def clear_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Ends ``python -m monai.bundle run`` with a CobotError's message alone.

    MONAI wraps what a config expression raises into a ``RuntimeError`` about the expression, under
    which the remedy would be lost. From Python the CobotError itself is raised.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except CobotError as error:
            if started_by_monai():
                raise SystemExit(f"error: {error}") from error
            raise

    return wrapper


@clear_errors
def flag(name: str, value: object) -> bool:
    """A yes-or-no id, also as the command line gives it: ``--overwrite false`` is a string there.

    Raises:
        CobotError: neither true nor false.
    """
    word = str(value).lower()
    if word not in ("true", "false"):
        raise CobotError(f"{name}={value!r}: choose true or false")
    return word == "true"
