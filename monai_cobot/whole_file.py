"""Writing a file whole or not at all."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

PREFIX = ".unfinished."
TOKEN = 8
"""Hexadecimal digits that tell one writing of a file from all others."""
ABANDONED = 24 * 3600.0
"""Seconds after which a file that nobody has written to is a killed process's. A writer that is
alive goes on writing; clocks of machines that share a folder differ by less."""


@contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` if the block succeeds.

    A reader sees the old file or the new one, never half of it. Several writers of one file, also
    in other processes or on other machines, each have a temporary file of their own; the last one
    that ends stays. The folder is made if it is missing; on an error the temporary file is removed
    and the old file stays. What a killed process leaves is a hidden file ``.unfinished.…``, which
    nothing reads: the first writing of the same file a day later removes it.

    Args:
        path: the file to write. The temporary one's name ends alike, since the ending tells some
            libraries the format.

    Yields:
        the path to write to.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{PREFIX}{secrets.token_hex(TOKEN // 2)}.{target.name}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _remove_abandoned(target)


def _remove_abandoned(target: Path) -> None:
    """Another process may remove the same ones, or the folder be gone: neither is an error."""
    length = len(PREFIX) + TOKEN + 1 + len(target.name)
    with suppress(OSError):
        for file in target.parent.glob(f"{PREFIX}*"):
            if len(file.name) == length and file.name.endswith(f".{target.name}"):
                with suppress(OSError):
                    if time.time() - file.stat().st_mtime > ABANDONED:
                        file.unlink()
