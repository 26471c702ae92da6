"""What a job does on the machine that it comes to."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import monai_cobot
from monai_cobot.comparison.jobs import Outcome, attempt
from monai_cobot.comparison.processes import launch
from monai_cobot.comparison.steps import Step
from monai_cobot.errors import CobotError
from monai_cobot.whole_file import whole_file

PACKAGE = Path(monai_cobot.__file__).parent
MARKER = ".shared_file_system"
FILES = ("dataset_dir", "split_file", "sam_checkpoint", "organ_table", "checkpoint")
"""Ids that name a file or folder, or say a word instead."""


@dataclass(frozen=True)
class Place:
    """Where a comparison was started, as its jobs have to find it.

    Attributes:
        out: folder of the comparison.
        token: what its marker file says.
        host: the machine.
        package: folder of monai_cobot there.
        version: of monai_cobot there.
    """

    out: Path
    token: str
    host: str
    package: Path
    version: str

    @classmethod
    def mark(cls, out: Path, token: str) -> Place:
        """Write the marker of a comparison that starts here.

        Raises:
            CobotError: the folder cannot be written.
        """
        place = cls(out, token, platform.node(), PACKAGE, monai_cobot.__version__)
        try:
            with whole_file(place.marker) as file:
                file.write_text(token + "\n")
        except OSError as error:
            raise CobotError(f"out {out} cannot be written ({error}): give another") from None
        return place

    @property
    def marker(self) -> Path:
        """A file in the folder of the comparison."""
        return self.out / MARKER

    def check(self, step: Step) -> None:
        """Refuse a machine that does not see what the job needs.

        Raises:
            CobotError: another version of the package, another folder, or files that are missing.
        """
        here = platform.node()
        if monai_cobot.__version__ != self.version:
            raise CobotError(
                f"{here} has monai_cobot {monai_cobot.__version__}, {self.host} has "
                f"{self.version}: install the same version on all machines"
            )
        found = self.marker.read_text().strip() if self.marker.is_file() else None
        missing = [] if found == self.token else [self.out]
        missing += [path for path in _needed(step) if not path.exists()]
        if missing:
            raise CobotError(
                f"{here} does not see {missing[0]} of {self.host}: out, data, bundles and weights "
                "have to lie on a file system that all machines share, under the same path"
            )


def run_there(step: Step, place: Place, environment: Mapping[str, str]) -> Outcome:
    """A job: check the machine, then run the step as :meth:`Step.run` does."""
    return attempt(partial(_run, step, place, environment))


def _run(step: Step, place: Place, environment: Mapping[str, str]) -> bool:
    # The package may lie elsewhere on this machine; its files have the same content.
    configs = tuple(_moved(file, place.package) for file in step.configs)
    moved = replace(step, configs=configs)
    place.check(moved)
    return moved.run(partial(launch, environment=environment))


def _moved(file: Path, package: Path) -> Path:
    return PACKAGE / file.relative_to(package) if file.is_relative_to(package) else file


def _needed(step: Step) -> Iterator[Path]:
    """Files that a step reads, absolute ones: words and names relative to nothing are left out."""
    yield from step.configs
    values: list[Any] = [step.ids.get(key) for key in FILES]
    for value in values:
        path = Path(str(value))
        if path.is_absolute():
            yield path
