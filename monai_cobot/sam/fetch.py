"""Download the official SAM checkpoints: checked, resumable, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from monai_cobot.errors import CobotError

BASE_URL = "https://dl.fbaipublicfiles.com/segment_anything/"
HOME_VARIABLE = "MONAI_COBOT_HOME"
TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 20
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL_CONTENT = 206


@dataclass(frozen=True)
class Checkpoint:
    """An official checkpoint: its file name and the sha256 of the file."""

    file: str
    sha256: str


CHECKPOINTS = {
    "vit_b": Checkpoint(
        "sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"
    ),
    "vit_l": Checkpoint(
        "sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"
    ),
    "vit_h": Checkpoint(
        "sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"
    ),
}


def default_folder() -> Path:
    """Give the folder for downloads: $MONAI_COBOT_HOME, else ~/.cache/monai_cobot."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() if home else Path.home() / ".cache" / "monai_cobot"


def fetch_sam(
    name: str,
    folder: str | Path | None = None,
    url: str | None = None,
    progress: bool = True,
) -> Path:
    """Download an official SAM checkpoint, unless the right file is there already.

    A download that was cut off is continued by calling this again.

    Args:
        name: `vit_b`, `vit_l` or `vit_h`.
        folder: where the file goes; None for :func:`default_folder`.
        url: address of the file on a mirror; None for Meta's. The sha256 must be the same.
        progress: show a progress bar on the terminal.

    Returns:
        path of the checkpoint.

    Raises:
        CobotError: an unknown name, a server that refuses, a lost connection, a wrong sha256.
    """
    if name not in CHECKPOINTS:
        raise CobotError(f"no SAM checkpoint is called {name!r}: choose {list(CHECKPOINTS)}")
    checkpoint = CHECKPOINTS[name]
    target = Path(folder or default_folder()).expanduser() / checkpoint.file
    return download(url or BASE_URL + checkpoint.file, target, checkpoint.sha256, progress)


def download(url: str, target: Path, sha256: str, progress: bool = True) -> Path:
    """Download one file by way of `<target>.part`, which a later call continues.

    Args:
        url: http or https address of the file.
        target: where the file goes; it appears only when its sha256 is right.
        sha256: hexadecimal sha256 of the file.
        progress: show a progress bar on the terminal.

    Returns:
        `target`.

    Raises:
        CobotError: see :func:`fetch_sam`. A `target` with another sha256 is left as it is.
    """
    if target.exists():
        _check_present(target, sha256)
        return target
    if not url.startswith(("http://", "https://")):
        raise CobotError(f"{url} is not an http or https address: give one")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CobotError(
            f"{target.parent} cannot be made a folder ({error.strerror}): choose another folder"
        ) from error
    part = target.with_name(target.name + ".part")
    _receive(url, part, progress)
    found = _sha256(part)
    if found != sha256:
        part.unlink()
        raise CobotError(
            f"{url} gave a file with sha256 {found}, not {sha256}; it was removed: run the same "
            f"command again, or put the official file at {target} yourself"
        )
    part.replace(target)
    return target


def _check_present(target: Path, sha256: str) -> None:
    if not target.is_file():
        raise CobotError(f"{target} is not a file: move it away, or choose another folder")
    found = _sha256(target)
    if found != sha256:
        raise CobotError(
            f"{target} is there but is not the official checkpoint (sha256 {found}, not "
            f"{sha256}): move or delete it, then run the same command again"
        )


def _receive(url: str, part: Path, progress: bool) -> None:
    """Bring `part` to the full length, from where it stands."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != _RANGE_NOT_SATISFIABLE or not start:
            raise CobotError(
                f"the server answered {error.code} ({error.reason}) for {url}: check the address, "
                "or give a mirror's"
            ) from error
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return  # the part is complete already
        part.unlink()
        return _receive(url, part, progress)
    except (OSError, http.client.HTTPException) as error:
        raise CobotError(
            f"{url} cannot be reached ({error}): check the connection and run the same command "
            "again, or give a mirror's address"
        ) from error
    with closing(response):
        resumed = response.status == _PARTIAL_CONTENT and response.headers.get(
            "Content-Range", ""
        ).startswith(f"bytes {start}-")
        _copy(response, url, part, start if resumed else 0, progress)


def _copy(response: Any, url: str, part: Path, start: int, progress: bool) -> None:
    """Append the answer's body to the first `start` bytes of `part`; complain if it is cut off."""
    length = response.headers.get("Content-Length")
    total = start + int(length) if length is not None else None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    done, reason = start, "the server closed it"
    with (
        part.open("ab" if start else "wb") as file,
        Progress(*columns, disable=not progress) as bar,
    ):
        task = bar.add_task(part.stem, total=total, completed=start)
        while True:
            try:
                chunk = response.read(_CHUNK)
            except http.client.IncompleteRead as error:
                chunk = error.partial
            except (OSError, http.client.HTTPException) as error:
                reason, chunk = str(error), b""
                total = total if total is not None else -1
            if not chunk:
                break
            file.write(chunk)
            done += len(chunk)
            bar.update(task, completed=done)
    if total is not None and done != total:
        of = f" of {total}" if total >= 0 else ""
        raise CobotError(
            f"the connection to {url} was lost after {done}{of} bytes ({reason}): run the same "
            f"command again, it continues from {part}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
