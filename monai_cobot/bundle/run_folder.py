"""The folder of one training run: what is in it, whose it is, whether it may be continued."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_cobot.errors import CobotError
from monai_cobot.whole_file import whole_file

RECORD = "run.json"
CHECKPOINTS = "checkpoints"
SPLIT = "split.json"
PREDICTIONS = ("predictions", "predictions_organ")


class RunFolder:
    """Owner of ``output_dir``: refuses to mix runs, and says whether this one continues.

    Layout: ``run.json`` (configuration and status), ``split.json``, ``checkpoints/`` with
    ``adapter_best.safetensors``, ``adapter_last.safetensors`` and ``training_state.pt``, and
    ``tensorboard/``.

    Args:
        output_dir: the folder; it is made by :meth:`begin`, not before.
        configuration: JSON values that tell one run from another.
        resume: ``auto`` continues an unfinished run of the same configuration, ``never`` does not.
        overwrite: whether a run of another configuration, or a finished one, is replaced.
        written: the config as it is written, by ids. It is kept to name what differs where
            ``configuration`` only knows that something does, by its ``config_sha256``.

    Raises:
        CobotError: ``resume`` is neither word.
    """

    def __init__(
        self,
        output_dir: str | Path,
        configuration: Mapping[str, Any],
        resume: str = "auto",
        overwrite: bool = False,
        written: Mapping[str, Any] | None = None,
    ) -> None:
        if resume not in ("auto", "never"):
            raise CobotError(f"resume={resume!r}: choose auto or never")
        self.path = Path(output_dir).expanduser().resolve()
        self.configuration = json.loads(json.dumps(dict(configuration)))
        self.written = dict(written or {})
        self.resume = resume
        self.overwrite = overwrite
        self.resuming = False

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / CHECKPOINTS

    @property
    def training_state(self) -> Path:
        """File with everything that an interrupted run needs to go on."""
        return self.checkpoints / "training_state.pt"

    def check(self) -> None:
        """Decides whether the run starts, continues or is refused; writes nothing.

        Raises:
            CobotError: the folder holds a finished run, an unfinished one of another configuration,
                or files that no run of this package wrote, and ``overwrite`` is false.
        """
        self.resuming = False
        if self.path.exists() and not self.path.is_dir():
            raise CobotError(f"output_dir {self.path} is a file: choose a folder")
        if not self.path.exists():
            return
        record = self._record()
        if record is None:
            if any(self.path.iterdir()):
                raise CobotError(
                    f"output_dir {self.path} is not empty and holds no run of this package: choose "
                    "another output_dir"
                )
            return
        if self.overwrite:
            return
        ways_out = "choose another output_dir, or set overwrite: true to replace it"
        differences = self._differences(record)
        if differences:
            values = "" if record["status"] == "finished" else "give its values to continue it, "
            raise CobotError(
                f"output_dir {self.path} holds a run of another configuration "
                f"({'; '.join(differences)}): {values}{ways_out}"
            )
        if record["status"] == "finished":
            raise CobotError(f"the run in {self.path} is finished: evaluate it, {ways_out}")
        if self.resume == "never":
            raise CobotError(
                f"output_dir {self.path} holds an unfinished run: set resume: auto to continue it, "
                f"{ways_out}"
            )
        self.resuming = self.training_state.is_file()

    def clear(self) -> None:
        """Removes the run that is replaced, where ``overwrite`` is set and there is one."""
        if self.overwrite and self._record() is not None:
            for folder in (CHECKPOINTS, "tensorboard", *PREDICTIONS, "figures"):
                if (self.path / folder).exists():
                    shutil.rmtree(self.path / folder)
            for name in (RECORD, SPLIT, "metrics.csv", "metrics.json"):
                (self.path / name).unlink(missing_ok=True)

    def begin(self) -> None:
        """Makes the folder and writes down whose it is."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self._write("unfinished")

    def finish(self) -> None:
        """Marks the run as finished."""
        self._write("finished")

    def _differences(self, record: Mapping[str, Any]) -> list[str]:
        """What differs, in words: the settings; else the config's ids, where they are known."""
        differences = _unequal(record["configuration"], self.configuration)
        if set(differences) == {"config_sha256"} and record.get("config") and self.written:
            differences = _unequal(record["config"], self.written)
        readable = [text for key, text in differences.items() if key != "config_sha256"]
        return readable or list(differences.values())

    def _record(self) -> dict[str, Any] | None:
        file = self.path / RECORD
        if not file.is_file():
            return None
        try:
            record = json.loads(file.read_text())
            record["configuration"], record["status"]
        except (ValueError, KeyError, TypeError) as error:
            raise CobotError(
                f"{file} cannot be read ({error}): choose another output_dir, or remove the folder"
            ) from error
        return dict(record)

    def _write(self, status: str) -> None:
        record = {
            "status": status,
            "configuration": self.configuration,
            "config": self.written,
        }
        with whole_file(self.path / RECORD) as file:
            file.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def adapter_file(output_dir: str | Path, checkpoint: str = "auto") -> Path | None:
    """The adapter file that evaluation reads.

    Args:
        output_dir: folder of the run.
        checkpoint: ``auto`` (the best one, or the last where there was no validation), ``best``,
            ``last``, ``none`` (SAM as it is) or the path of a file.

    Raises:
        CobotError: there is no such file.
    """
    if checkpoint == "none":
        return None
    folder = Path(output_dir).expanduser().resolve() / CHECKPOINTS
    names = {"auto": ("best", "last"), "best": ("best",), "last": ("last",)}.get(checkpoint)
    files = (
        [Path(checkpoint).expanduser()]
        if names is None
        else [folder / f"adapter_{name}.safetensors" for name in names]
    )
    for file in files:
        if file.is_file():
            return file
    raise CobotError(
        f"no adapter at {' or '.join(map(str, files))}: train first, give the file as checkpoint, "
        "or set checkpoint: none for SAM as it is"
    )


def _unequal(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, str]:
    """The keys whose values differ, in order, with both values in words."""
    return {
        key: f"{key} {found.get(key)!r} there and {wanted.get(key)!r} here"
        for key in sorted({*found, *wanted})
        if found.get(key) != wanted.get(key)
    }
