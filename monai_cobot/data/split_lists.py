"""Published lists of names: ``train.txt``, ``val.txt``, ``test.txt``."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from monai_cobot.data.image_files import IMAGE_ENDINGS
from monai_cobot.data.problems import aside
from monai_cobot.errors import CobotError

_log = logging.getLogger(__name__)


def published_parts(folder: Path, names: Collection[str]) -> dict[str, str]:
    """The part of each listed name; empty where ``folder`` has no list.

    ``train.txt`` is "training", ``test.txt`` "test" and ``val.txt`` "validation", or "test" where
    there is no ``test.txt``. The log counts names that no list has.

    Args:
        folder: where the lists are; a name a line, with or without a picture's ending.
        names: the pictures that are there, without endings.

    Raises:
        CobotError: a listed name that is not there, or in two lists.
    """
    last = (folder / "test.txt").is_file()
    sides = {"train": "training", "val": "validation" if last else "test", "test": "test"}
    parts: dict[str, str] = {}
    for stem, part in sides.items():
        path = folder / f"{stem}.txt"
        for name in _names(path) if path.is_file() else ():
            with aside("missing_image", path, name):
                if name not in names:
                    raise CobotError(
                        f"{path} lists {name}, which is not there: restore it or its line"
                    )
            with aside("image_in_two_parts", path, name):
                if name in parts:
                    raise CobotError(f"{path} lists {name}, which is listed already: list it once")
            if name in names:
                parts.setdefault(name, part)
    if parts and len(parts) < len(names):
        _log.warning("%s: %d pictures are in no list and left out", folder, len(names) - len(parts))
    return parts


def _names(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Path(line).stem if line.lower().endswith(IMAGE_ENDINGS) else line for line in lines if line
    ]
