"""A split: its three sides, its hash, its file, and the cases it is held against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from monai_cobot.data.datalist import read_json
from monai_cobot.data.spec import Case
from monai_cobot.errors import CobotError
from monai_cobot.whole_file import whole_file

Names: TypeAlias = tuple[str, ...]
SIDES = ("training", "validation", "test")
UNITS = ("patient", "slice")


@dataclass(frozen=True)
class Split:
    """Who is trained on, chosen on, and tested on.

    Attributes:
        training, validation, test: sorted entries. By patient an entry is a case; by slice it is
            ``case:z``, z the slice in the voxel frame (RAS).
        patients: patient of every case.
        by: "patient", or "slice" (which leaks).
        seed: what it was drawn with; None where it was not drawn here.
        shared: patients that may be on several sides, because published lists put them there.
        folds: number of folds of which this split is one; None where it is none.
        fold: which of them, from 0.
    """

    training: Names
    validation: Names
    test: Names
    patients: Mapping[str, str]
    by: str = "patient"
    seed: int | None = None
    shared: Names = ()
    folds: int | None = None
    fold: int = 0

    def __post_init__(self) -> None:
        """Refuse an entry, or by patient a patient who is not shared, on two sides (CobotError).

        Likewise a fold that there is not.
        """
        if self.by not in UNITS:
            raise CobotError(f"split by {self.by!r}: choose one of {', '.join(UNITS)}")
        if self.folds is not None and not _is_fold(self.fold, self.folds):
            raise CobotError(f"split: fold {self.fold!r} of {self.folds!r} folds is none")
        sides = {side: self.entries(side) for side in SIDES}
        for conflict in split_conflicts(sides, self.patients, self.by, self.shared):
            raise CobotError(str(conflict))

    def entries(self, side: str) -> Names:
        """Entries of "training", "validation" or "test"."""
        if side not in SIDES:
            raise CobotError(f"unknown side {side!r} of a split: choose one of {', '.join(SIDES)}")
        result: Names = getattr(self, side)
        return result

    def case_of(self, entry: str) -> str:
        """The case of an entry."""
        return entry.rpartition(":")[0] if self.by == "slice" else entry

    @property
    def cases(self) -> frozenset[str]:
        """All cases that the split names."""
        return frozenset(self.case_of(entry) for side in SIDES for entry in self.entries(side))

    @property
    def hash(self) -> str:
        """SHA-256 over the three sorted lists and the patients, as canonical JSON."""
        content = {side: sorted(self.entries(side)) for side in SIDES}
        patients = {case: self.patients.get(case, case) for case in sorted(self.cases)}
        text = json.dumps({**content, "patients": patients}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def check(self, cases: Iterable[Case]) -> None:
        """Hold the split against the cases found.

        Raises:
            CobotError: a case that no side names, a named case that is not there, a patient of the
                cases on two sides.
        """
        cases = list(cases)
        found = {str(case["case"]) for case in cases}
        unnamed, absent = sorted(found - self.cases), sorted(self.cases - found)
        if unnamed:
            raise CobotError(
                f"cases {unnamed} are on no side: add them, or remove the split's file"
            )
        if absent:
            raise CobotError(
                f"cases {absent} are not in the dataset: restore them, or remove the split's file"
            )
        self.restrict(cases)

    def items(self, cases: Iterable[Case], side: str) -> list[Case]:
        """Cases of one side, in the order given; by slice each with its ``slices`` (sorted z)."""
        slices: dict[str, list[int]] = {}
        for entry in self.entries(side):
            z = slices.setdefault(self.case_of(entry), [])
            if self.by == "slice":
                z.append(int(entry.rpartition(":")[2]))
        chosen = [case for case in cases if case["case"] in slices]
        if self.by == "patient":
            return [dict(case) for case in chosen]
        return [{**case, "slices": sorted(slices[case["case"]])} for case in chosen]

    def restrict(self, cases: Iterable[Case]) -> Split:
        """The split of these cases only, with their patients."""
        patients = {str(case["case"]): str(case["patient"]) for case in cases}
        training, validation, test = (
            tuple(entry for entry in self.entries(side) if self.case_of(entry) in patients)
            for side in SIDES
        )
        return replace(self, training=training, validation=validation, test=test, patients=patients)

    def save(self, path: str | Path) -> None:
        """Write as JSON, in one step: the file is whole or not there."""
        content = {side: list(self.entries(side)) for side in SIDES}
        extra: dict[str, Any] = {
            "patients": dict(self.patients),
            "by": self.by,
            "seed": self.seed,
        }
        if self.shared:
            extra["shared"] = list(self.shared)
        if self.folds is not None:
            extra |= {"folds": self.folds, "fold": self.fold}
        with whole_file(path) as file:
            file.write_text(json.dumps({**content, **extra, "hash": self.hash}, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Split:
        """Read a split; all but the three lists is optional.

        Raises:
            CobotError: no JSON, a list missing, a hash that does not fit, a case or patient on two
                sides.
        """
        content = read_split(path)
        digest = content.pop("hash")
        try:
            split = cls(**content)
        except CobotError as error:
            raise CobotError(f"{path}: {error}") from None
        if digest not in (None, split.hash):
            raise CobotError(
                f"{path} was changed after it was written (its hash does not fit): restore it, or "
                "remove the line 'hash' if the change is meant"
            )
        return split


@dataclass(frozen=True)
class SplitConflict:
    """A "case", "patient" or "slice" on two sides.

    Attributes:
        what: which of the three.
        name: of the case or patient, or the entry of the slice.
        sides: the two sides.
        entry: the entry on the second side.
    """

    what: str
    name: str
    sides: tuple[str, str]
    entry: str

    def __str__(self) -> str:
        """The message."""
        return (
            f"split: {self.what} {self.name} is in {self.sides[0]} and in {self.sides[1]} "
            f"({self.entry}): keep each {self.what} on one side"
        )


def split_conflicts(
    sides: Mapping[str, Names], patients: Mapping[str, str], by: str, shared: Names
) -> Iterator[SplitConflict]:
    """Give every entry, and by patient every patient not in ``shared``, that is on two sides."""
    placed: dict[tuple[str, str], str] = {}
    for side in SIDES:
        for entry in sides[side]:
            patient = patients.get(entry, entry)
            occupied = [("case" if by == "patient" else "slice", entry)]
            if by == "patient" and patient not in shared:
                occupied.append(("patient", patient))
            for what, name in occupied:
                other = placed.setdefault((what, name), side)
                if other != side:
                    yield SplitConflict(what, name, (other, side), entry)


def read_split(path: str | Path) -> dict[str, Any]:
    """What a split's file says, not yet held against itself: the fields of Split, and ``hash``.

    Raises:
        CobotError: no JSON, a list missing, something that is no list of names.
    """
    content = read_json(path)
    return {
        **{side: _names(content, side, path) for side in SIDES},
        "patients": _patients(content, path),
        "by": str(content.get("by", "patient")),
        "seed": content.get("seed"),
        "shared": _names(content, "shared", path) if "shared" in content else (),
        "folds": content.get("folds"),
        "fold": content.get("fold") or 0,
        "hash": content.get("hash"),
    }


def _is_fold(fold: object, folds: object) -> bool:
    return isinstance(fold, int) and isinstance(folds, int) and 0 <= fold < folds


def _names(content: Mapping[str, Any], side: str, path: str | Path) -> Names:
    names = content.get(side)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CobotError(f"{path} needs a list {side!r} of case names (it may be empty)")
    return tuple(sorted(names))


def _patients(content: Mapping[str, Any], path: str | Path) -> dict[str, str]:
    patients = content.get("patients", {})
    if not isinstance(patients, dict):
        raise CobotError(f"{path}: 'patients' must map each case to its patient")
    return {str(case): str(patient) for case, patient in patients.items()}
