"""One bundle run as a process of its own: kept when it is finished, named when it is broken."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import monai_cobot
from monai_cobot.bundle.run import SAME_RESULT
from monai_cobot.bundle.run_folder import RECORD
from monai_cobot.comparison.processes import Launch, launch
from monai_cobot.comparison.results import BrokenRunError
from monai_cobot.errors import CobotError
from monai_cobot.whole_file import whole_file

EVALUATION = ".evaluation"


def beside(folder: Path, kind: str, ending: str) -> Path:
    """A file beside the folder of a run of that kind."""
    return folder.with_name(f"{folder.name}{kind}.{ending}")


def _no_check(folder: Path) -> None:
    """For runs of which nothing is known."""


@dataclass(frozen=True)
class Step:
    """A bundle run.

    Beside ``folder`` lie its ids (``.yaml``), its log (``.log``), and once it is finished what it
    was made of (``.json``); an evaluation has ``.evaluation`` before these endings.

    Attributes:
        name: for people.
        configs: config files, the ids' file follows them.
        ids: of the bundle.
        data: hashes of split and files.
        folder: ``output_dir``.
        kind: ``""`` of a training, ``".evaluation"``.
        check: is given the folder, and raises BrokenRunError where the results are not whole.
    """

    name: str
    configs: tuple[Path, ...]
    ids: Mapping[str, Any]
    data: Mapping[str, str]
    folder: Path
    kind: str = ""
    check: Callable[[Path], None] = _no_check

    def beside(self, ending: str) -> Path:
        """A file beside the folder."""
        return beside(self.folder, self.kind, ending)

    def made_of(self) -> dict[str, Any]:
        """What tells its result from another's; where things lie does not count."""
        found = {key: value for key, value in self.ids.items() if key not in SAME_RESULT}
        weights = self.ids.get("sam_checkpoint")
        if "checkpoint" in found:  # an adapter file, or the word none
            found["checkpoint"] = _content(found["checkpoint"])
        made = {
            **found,
            **self.data,
            "sam_checkpoint": _content(weights),
            "configs_sha256": [_content(file) for file in self.configs],
            "version": monai_cobot.__version__,
        }
        plain: dict[str, Any] = json.loads(json.dumps(made, sort_keys=True))
        return plain

    def finished(self) -> bool:
        """Whether it need not be run.

        Raises:
            CobotError: it is there, made of something else.
            BrokenRunError: its record cannot be read.
        """
        record = self.beside("json")
        if not record.is_file():
            return False
        try:
            found = dict(json.loads(record.read_text())["made_of"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BrokenRunError(f"{self.name}: {record} cannot be read ({error}): {self._remedy}"
                                 ) from None  # fmt: skip
        wanted = self.made_of()
        keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
        if keys:
            differences = "; ".join(f"{k} {found.get(k)!r} there, {wanted.get(k)!r} here"
                                    for k in keys)  # fmt: skip
            raise CobotError(
                f"{self.folder} holds a run that was made of something else ({differences}): give "
                f"another out, or remove it and {record.name}"
            )
        return True

    @property
    def _remedy(self) -> str:
        return f"remove {self.folder} and {self.beside('json').name}, and it is run again"

    def _check(self) -> None:
        try:
            self.check(self.folder)
        except BrokenRunError as error:
            raise BrokenRunError(f"{self.name}: {error}: {self._remedy}") from None

    def run(self, start: Launch | None = None) -> bool:
        """Run it unless it is finished; an interrupted training goes on.

        Args:
            start: runs the command; None for a process here.

        Returns:
            Whether there was anything to do.

        Raises:
            BrokenRunError: the process ended with an error, or the results are not whole.
            CobotError: see :meth:`finished`.
        """
        if self.finished():
            self._check()
            return False
        begun, made_of = time.perf_counter(), self.made_of()
        if not self._ended(made_of):
            self._launch(start or launch, made_of)
        self._check()
        seconds = time.perf_counter() - begun
        with whole_file(self.beside("json")) as file:
            file.write_text(json.dumps({"seconds": seconds, "made_of": made_of}, indent=1) + "\n")
        self.beside("begun.json").unlink(missing_ok=True)
        return True

    def _launch(self, start: Launch, made_of: Mapping[str, Any]) -> None:
        with whole_file(self.beside("yaml")) as file:
            file.write_text(yaml.safe_dump({**self.ids, "output_dir": str(self.folder)}))
        with whole_file(self.beside("begun.json")) as file:
            file.write_text(json.dumps(made_of) + "\n")
        files = [str(file) for file in (*self.configs, self.beside("yaml"))]
        command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", json.dumps(files)]
        log = self.beside("log")
        if start(command, log):
            raise BrokenRunError(f"{self.name}: {_last_line(log)} (see {log})")

    def _ended(self, made_of: Mapping[str, Any]) -> bool:
        """Whether a training like this ended, and was stopped before it was written down here.

        Adapter, costs and validation scores are on the disk by then.
        """
        try:
            same = json.loads(self.beside("begun.json").read_text()) == made_of
            status = json.loads((self.folder / RECORD).read_text())["status"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return same and not self.kind and status == "finished"


def _content(file: Any) -> Any:
    """Hash of a file's bytes; a word (``none``, ``random``) as it is."""
    if file is None or not Path(str(file)).is_file():
        return file
    with Path(str(file)).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it ended without a word"
