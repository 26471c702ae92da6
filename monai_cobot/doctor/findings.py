"""What the doctor finds: one thing that is wrong with one file, and all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from monai_cobot.data.problems import Problem
from monai_cobot.doctor.codes import severity_of
from monai_cobot.doctor.records import CaseRecord

SEVERITIES = ("error", "warning", "info")
SCHEMA = "monai_cobot/doctor/1"


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: "error" (training would fail or be wrong), "warning" (to be looked at), "info".
        code: what kind of thing; stable, for programs. See docs/doctor.md.
        case: name of the case, "" where it concerns the whole dataset.
        file: the file to mend, "" where it is none in particular.
        what: what is wrong, without the file.
        remedy: what to do about it.
    """

    severity: str
    code: str
    case: str
    file: str
    what: str
    remedy: str

    @classmethod
    def of(
        cls,
        code: str,
        what: str,
        remedy: str,
        file: str = "",
        case: str = "",
        severity: str | None = None,
    ) -> Finding:
        """A finding of its code's usual severity, unless told otherwise."""
        return cls(severity or severity_of(code), code, case, file, what, remedy)

    @classmethod
    def from_problem(cls, problem: Problem, case: str = "") -> Finding:
        """The finding that a reader's or a check's problem is."""
        return cls.of(
            problem.code, problem.what, problem.remedy, problem.file, problem.case or case
        )


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a dataset.

    Attributes:
        dataset: its code.
        folder: where it lies.
        findings: errors first, then warnings; within, by code, case and file.
        records: what was measured of every case that could be listed.
        organs: names of the dataset's organs or classes.
    """

    dataset: str
    folder: str
    findings: tuple[Finding, ...]
    records: tuple[CaseRecord, ...]
    organs: tuple[str, ...]

    @property
    def cases(self) -> int:
        """How many cases could be listed."""
        return len(self.records)

    @property
    def found(self) -> dict[str, int]:
        """Of each organ the cases that have it; of pictures, of each class its targets."""
        counts = Counter(dict.fromkeys(self.organs, 0))
        for record in self.records:
            counts.update(dict.fromkeys(record.organs, 1))
            counts.update(record.instances)
        return dict(counts)

    def count(self, severity: str) -> int:
        """How many findings have this severity."""
        return Counter(finding.severity for finding in self.findings)[severity]

    def to_dict(self) -> dict[str, Any]:
        """What the JSON holds; docs/doctor.md describes it."""
        return {
            "schema": SCHEMA,
            "dataset": self.dataset,
            "folder": self.folder,
            "cases": self.cases,
            **{f"{severity}s": self.count(severity) for severity in SEVERITIES},
            "found": self.found,
            "records": [record.to_dict() for record in self.records],
            "findings": [asdict(finding) for finding in self.findings],
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, each once, errors first."""
    return tuple(
        sorted(
            dict.fromkeys(findings),
            key=lambda f: (SEVERITIES.index(f.severity), f.code, f.case, f.file, f.what),
        )
    )
