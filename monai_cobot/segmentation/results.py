"""What became of every case, and the file that says it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

import monai_cobot
from monai_cobot.errors import CobotError
from monai_cobot.whole_file import whole_file

SUMMARY = "summary.json"
FORMAT = "monai_cobot/segmentation/1"
DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@dataclass
class CaseResult:
    """One case.

    Attributes:
        source: the image file, or the folder of the series.
        status: ``done``, ``skipped`` (an earlier result stays) or ``failed``.
        seconds: that it took.
        file: name of the label map in the output folder; empty where there is none.
        volumes_ml: organ to millilitres, of the organs that were found.
        notes: warnings.
        error: why it failed, and the remedy.
        traceback: where it failed, if it was no mistake of the user's.
    """

    source: str
    status: str
    seconds: float = 0.0
    file: str = ""
    volumes_ml: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: str = ""
    traceback: str = ""


@dataclass
class Summary:
    """A run's cases, with what they were segmented by.

    Attributes:
        made_with: bundle, adapter, prompts, and the files' hashes.
        labels: organ to its value in the label maps.
        cases: name to result.
        waiting: cases that are still to come, or were not reached.
    """

    made_with: dict[str, Any]
    labels: dict[str, int]
    cases: dict[str, CaseResult] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def named(self, status: str) -> list[str]:
        """Names of the cases of a status."""
        return [name for name, result in self.cases.items() if result.status == status]

    def save(self, folder: Path) -> None:
        """Writes ``summary.json``; CobotError where that cannot be written."""
        counts = Counter(result.status for result in self.cases.values())
        document = {
            "format": FORMAT,
            "version": monai_cobot.__version__,
            **asdict(self),
            "counts": {status: counts[status] for status in (DONE, SKIPPED, FAILED)},
        }
        try:
            with whole_file(folder / SUMMARY) as file:
                file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise CobotError(
                f"{folder / SUMMARY} cannot be written ({error}): make room, or choose "
                "another OUTPUT"
            ) from error

    @classmethod
    def load(cls, folder: Path) -> Summary | None:
        """The summary of an earlier run; None where there is none.

        Raises:
            CobotError: the file is there and no summary.
        """
        file = folder / SUMMARY
        if not file.exists():
            return None
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            cases = {name: CaseResult(**case) for name, case in content["cases"].items()}
            return cls(content["made_with"], content["labels"], cases, content["waiting"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CobotError(
                f"{file} is no summary of this command ({error}): choose another OUTPUT"
            ) from error


def organ_volumes(label_file: Path, labels: Mapping[str, int]) -> dict[str, float]:
    """Millilitres of every organ that a label map holds, three decimals.

    Args:
        label_file: NIfTI, its affine in mm.
        labels: organ to value.
    """
    image = nib.load(label_file)
    counts = np.bincount(np.asarray(image.dataobj).ravel(), minlength=256)
    voxel = abs(float(np.linalg.det(image.affine[:3, :3]))) / 1000
    return {
        organ: round(int(counts[label]) * voxel, 3)
        for organ, label in labels.items()
        if counts[label]
    }


def sha256(file: Path | None) -> str | None:
    """Hash of a file's bytes; None for no file."""
    if file is None:
        return None
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
