"""The label table of a ``dataset.json`` held against ours."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from monai_cobot.errors import CobotError

_log = logging.getLogger(__name__)


def check_label_table(
    path: str | Path, table: object, organs: Mapping[int, str], aliases: Mapping[str, str]
) -> None:
    """Refuse a table that gives one of our organs another number; warn of names we do not know.

    Args:
        path: the file, for messages.
        table: ``{"1": "liver"}`` (decathlon, nnU-Net 1) or ``{"liver": 1}`` (nnU-Net 2).
        organs: our name of each label.
        aliases: other spellings (lower case, underscores) of our names.

    Raises:
        CobotError: the names the organ, both numbers, and the numbering that is expected.
    """
    for label, name in _names_by_label(table).items():
        known = _known_organ(name, organs, aliases)
        if known is not None and organs.get(label) != known:
            ours = next(number for number, organ in organs.items() if organ == known)
            raise CobotError(
                f"{path} numbers {name!r} as label {label}, here it is {ours}: "
                f"renumber the label files as {dict(organs)}"
            )
        if known is None and label in organs:
            _log.warning("%s calls label %d %r; here it is %s", path, label, name, organs[label])


def _names_by_label(table: object) -> dict[int, str]:
    result: dict[int, str] = {}
    for key, value in table.items() if isinstance(table, Mapping) else ():
        number, name = (key, value) if str(key).isdigit() else (value, key)
        if str(number).isdigit() and int(number) > 0:
            result[int(number)] = str(name)
    return result


def _known_organ(name: str, organs: Mapping[int, str], aliases: Mapping[str, str]) -> str | None:
    """Our name for it; the order of the words does not matter (right kidney, kidney_right)."""
    plain = _plain(name)
    words = sorted(aliases.get(plain, plain).split("_"))
    return next((o for o in organs.values() if sorted(_plain(o).split("_")) == words), None)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
