"""The error that a user can mend."""

from __future__ import annotations


class CobotError(ValueError):
    """Bad input. The message names the file or value and says what to do about it."""
