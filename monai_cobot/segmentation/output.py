"""The folder of the results, and what of an earlier run may happen to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_cobot.data.datalist import NIFTI_ENDINGS
from monai_cobot.errors import CobotError
from monai_cobot.handlers import SavePredictions
from monai_cobot.segmentation.results import SUMMARY, CaseResult, Summary

SAME = ("bundle", "adapter_sha256")
"""What has to be the same for results of two runs to stand in one folder."""


@dataclass(frozen=True)
class Output:
    """Owner of OUTPUT.

    Attributes:
        folder: absolute; made by :meth:`begin`, not before.
        overwrite: whether earlier results are replaced.
        skip_existing: whether cases that have a result are left out.
    """

    folder: Path
    overwrite: bool = False
    skip_existing: bool = False

    @classmethod
    def of(cls, folder: str | Path, overwrite: bool = False, skip_existing: bool = False) -> Output:
        """The same for a folder as the user gives it; CobotError for both flags, or a file."""
        if overwrite and skip_existing:
            raise CobotError("--overwrite and --skip-existing exclude each other: give one of them")
        path = Path(folder).expanduser().resolve()
        if path.name.endswith(NIFTI_ENDINGS):
            raise CobotError(f"OUTPUT {path} is called like a file: give a folder")
        if path.exists() and not path.is_dir():
            raise CobotError(f"OUTPUT {path} is a file: give a folder")
        return cls(path, overwrite, skip_existing)

    def file(self, case: str) -> Path:
        """Label map of a case, as the bundle writes it."""
        return SavePredictions(self.folder).path(case)

    def check(self, input_path: str | Path, cases: Sequence[str]) -> None:
        """Refuses to replace anything unasked, and to write among the images.

        Raises:
            CobotError: OUTPUT is the input's folder, or holds results.
        """
        if Path(input_path).expanduser().resolve() == self.folder:
            raise CobotError(
                f"OUTPUT is INPUT ({self.folder}), and results would be taken for images the next "
                "time: give another folder"
            )
        earlier = [self.folder / SUMMARY, *map(self.file, cases)]
        there = [file for file in earlier if file.exists()]
        if there and not (self.overwrite or self.skip_existing):
            raise CobotError(
                f"{there[0]} exists: --skip-existing goes on where an earlier run stopped, "
                "--overwrite does all again; or choose another OUTPUT"
            )

    def has_other_prompts(self, made_with: dict[str, Any]) -> bool:
        """Whether there are results of an earlier run that had another prompts file."""
        earlier = Summary.load(self.folder) if self.skip_existing else None
        name = "prompts_sha256"
        return earlier is not None and earlier.made_with.get(name) != made_with[name]

    def begin(self, made_with: dict[str, Any], cases: Sequence[str]) -> dict[str, CaseResult]:
        """Makes the folder.

        Args:
            made_with: of this run.
            cases: of this run.

        Returns:
            with ``skip_existing``, results of an earlier run's other cases, which stay.

        Raises:
            CobotError: the folder cannot be made, or with ``skip_existing`` holds results of
                another bundle or adapter.
        """
        earlier = Summary.load(self.folder) if self.skip_existing else None
        if earlier is not None:
            self._check_same(earlier.made_with, made_with)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CobotError(
                f"OUTPUT {self.folder} cannot be made ({error}): give another folder"
            ) from error
        kept = {} if earlier is None else earlier.cases
        return {case: result for case, result in kept.items() if case not in cases}

    def _check_same(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        for name in SAME:
            if before.get(name) != now[name]:
                raise CobotError(
                    f"the results in {self.folder} were made with another {name} "
                    f"({before.get(name)}, now {now[name]}): choose another OUTPUT, or --overwrite "
                    "to do all again"
                )
