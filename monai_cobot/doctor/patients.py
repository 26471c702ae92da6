"""Patients and cases on two sides of a split, and patients under two spellings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from monai_cobot.data.published import shared_patients
from monai_cobot.data.spec import Case
from monai_cobot.data.split_file import SIDES, Split, read_split, split_conflicts
from monai_cobot.doctor.findings import Finding
from monai_cobot.errors import CobotError


def published_parts_findings(cases: Sequence[Case]) -> Iterator[Finding]:
    """Patients (videos, scenes) that the dataset's own lists put on several sides."""
    sides = {side: [case for case in cases if case.get("part") == side] for side in SIDES}
    for patient in shared_patients(sides):
        counts = {
            side: sum(str(case["patient"]) == patient for case in found)
            for side, found in sides.items()
        }
        where = ", ".join(f"{count} in {side}" for side, count in counts.items() if count)
        what = f"cases of {patient} are on several of the published lists: {where}"
        remedy = "keep in mind that scores are too good, or name a split_file of your own"
        yield Finding.of("published_parts_overlap", what, remedy)


def split_file_findings(path: str | Path, cases: Sequence[Case]) -> Iterator[Finding]:
    """All that a split's file does wrong, by itself and for these cases."""
    file = str(path)
    try:
        split = read_split(path)
    except CobotError as error:
        yield _unreadable(error, file)
        return
    sides = {side: split[side] for side in SIDES}
    of_cases = {str(case["case"]): str(case["patient"]) for case in cases}
    conflicts = [  # by what the file says of patients, and by what the dataset says
        conflict
        for patients in (split["patients"], split["patients"] | of_cases)
        for conflict in split_conflicts(sides, patients, split["by"], split["shared"])
    ]
    parted = {conflict.name for conflict in conflicts if conflict.what == "case"}
    for conflict in dict.fromkeys(conflicts):
        if conflict.what == "patient" and conflict.entry in parted:
            continue  # the case itself is on both sides, and told
        code = "patient_in_two_parts" if conflict.what == "patient" else "case_in_two_parts"
        what = f"puts {conflict.what} {conflict.name} in {' and in '.join(conflict.sides)}"
        case = conflict.entry.rpartition(":")[0] if split["by"] == "slice" else conflict.entry
        remedy = f"keep each {conflict.what} on one side"
        yield Finding.of(code, what, remedy, file, case)
    if not conflicts:
        try:
            Split.load(path)
        except CobotError as error:
            yield _unreadable(error, file)
    yield from _names(split, cases, file)


def _names(split: dict[str, Any], cases: Sequence[Case], file: str) -> Iterator[Finding]:
    entries = {entry for side in SIDES for entry in split[side]}
    by_slice = split["by"] == "slice"
    named = {entry.rpartition(":")[0] for entry in entries} if by_slice else entries
    found = {str(case["case"]) for case in cases}
    for name in sorted(named - found):
        what, remedy = "names a case that is not there", "restore the case or remove its line"
        yield Finding.of("split_case_absent", f"{what}: {name}", remedy, file, name)
    for name in sorted(found - named):
        what, remedy = "does not name a case that is there", "add it to one side"
        yield Finding.of("split_case_unnamed", f"{what}: {name}", remedy, file, name)


def _unreadable(error: CobotError, file: str) -> Finding:
    what, _, remedy = str(error).removeprefix(file).strip(" :").rpartition(": ")
    return Finding.of("split_unreadable", what or remedy, remedy, file)


def spelling_findings(cases: Sequence[Case]) -> Iterator[Finding]:
    """Patients whose names differ in capitals, separators or leading zeros alone."""
    first: dict[tuple[str, ...], str] = {}
    for patient in dict.fromkeys(str(case["patient"]) for case in cases):
        words = re.findall(r"[^\W\d_]+|\d+", patient.casefold())
        key = tuple(word.lstrip("0") or "0" if word.isdigit() else word for word in words)
        other = first.setdefault(key, patient) if key else patient
        if other != patient:
            case = next(str(c["case"]) for c in cases if str(c["patient"]) == patient)
            what = f"patient {patient!r} is spelled nearly as patient {other!r}"
            remedy = "give both one name if they are one person, else a split can part them"
            yield Finding.of("patient_spelling", what, remedy, "", case)
