"""Writing a file whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path


@contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` if the block succeeds.

    A reader sees the old file or the new one, never half of it. The folder is made if it is
    missing; on an error the temporary file is removed and the old file stays. What a killed
    process leaves is a hidden file, which the next writing of the same file replaces.

    Args:
        path: the file to write. The temporary one's name ends alike, since the ending tells some
            libraries the format.

    Yields:
        the path to write to.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".unfinished.{target.name}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
