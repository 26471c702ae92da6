"""The hash of files that were hashed before, known from their size and times."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from monai_cobot.data.fingerprint import hash_cases
from monai_cobot.data.label_values import label_values
from monai_cobot.errors import CobotError
from monai_cobot.whole_file import whole_file

SETTLED_NS = 2_000_000_000
"""A file that was changed less than this ago may change again within a tick of its file system's
clock; FAT's is two seconds, others' are shorter."""

COUNTED = ("image", "label", "label_values")


def content_name(folder: Path, made: Any, item: Mapping[str, Any]) -> str:
    """A name, 32 hex digits, for what is made in some way of the bytes of an item's files.

    To hash a cohort takes as long as to read it from the disk, in every process that starts. So
    the name is kept in ``folder``, in a small file that is itself named after path, size and times
    of the files, as git's index and make know a file: a warm start only asks for these. The time
    of the last change of the inode counts too (not on Windows), which a copy that keeps the
    modification time does not keep. The names are only ever a shortcut: where nothing is known, or
    nothing can be written, the files are hashed.

    Args:
        folder: an existing folder.
        made: how it is made, JSON.
        item: with ``image`` and ``label``, and ``label_values`` where it has them.

    Raises:
        CobotError: a file cannot be read.
    """
    case = _counted(item)
    now = time.time_ns()  # before the hash: what changes while it is taken is not settled
    try:
        known, times = _shortcut(folder, made, case)
        name = _read(known)
        if name is not None:
            return name
        name = _digest([made, hash_cases([case])])
    except OSError as error:
        raise CobotError(
            f"{error.filename or case.get('image')} cannot be read ({error.strerror}): mend the "
            "file or take the case out"
        ) from error
    if all(now - max(modified, changed) > SETTLED_NS for *_, modified, changed in times):
        with suppress(OSError), whole_file(known) as temporary:
            temporary.write_text(name)
    return name


def known_name(folder: Path, made: Any, item: Mapping[str, Any]) -> str | None:
    """What :func:`content_name` gives where that need not read the files; else None."""
    with suppress(OSError):
        return _read(_shortcut(folder, made, _counted(item))[0])
    return None


def _counted(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"case": "", "patient": "", **{key: item[key] for key in COUNTED if key in item}}


def _shortcut(
    folder: Path, made: Any, case: dict[str, Any]
) -> tuple[Path, list[tuple[str, int, int, int]]]:
    """The small file that knows the name, and the times of the case's files."""
    times = [_times(Path(str(case[key]))) for key in ("image", "label") if key in case]
    return folder / f"{_digest([made, times, label_values(case)])}.known", times


def _read(known: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        name = known.read_text()
        if len(name) == 32:
            return name
    return None


def _times(file: Path) -> tuple[str, int, int, int]:
    """Path, size, and the times of the last change of content and of inode, nanoseconds."""
    found = file.stat()
    return str(file.resolve()), found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
