"""Things of one kind by name: fine-tuning methods, datasets."""

from __future__ import annotations

from typing import Generic, TypeVar

from monai_cobot.errors import CobotError

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """A table that refuses duplicates and names what it has when asked for something else.

    Args:
        kind: what the entries are, for messages, such as ``method``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, entry: Entry) -> Entry:
        """Add an entry and give it back.

        Raises:
            CobotError: the name is taken.
        """
        if name in self._entries:
            raise CobotError(f"{self.kind} {name!r} is registered already: choose another name")
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> Entry:
        """Give the entry of this name.

        Raises:
            CobotError: there is none; the message lists the known ones.
        """
        if name not in self._entries:
            raise CobotError(
                f"unknown {self.kind} {name!r}: choose one of {', '.join(self._entries)}"
            )
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """Names of all entries, in the order of their registration."""
        return tuple(self._entries)
