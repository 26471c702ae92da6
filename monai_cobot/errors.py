"""The error that a user can mend, and the check that most numbers have."""

from __future__ import annotations


class CobotError(ValueError):
    """Bad input. The message names the file or value and says what to do about it."""


def require_whole(name: str, value: object, lowest: int = 1) -> None:
    """Refuse what is no whole number of at least ``lowest``; true and false are none.

    Raises:
        CobotError: names the setting and its value.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise CobotError(f"{name}={value!r}: give a whole number of at least {lowest}")
