"""A dataset looked through: its list, every case, the cases against each other, the split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from monai_cobot.data.spec import Case, DatasetSpec, target_instances
from monai_cobot.doctor.comparisons import (
    copies,
    organ_outliers,
    orientation_outliers,
    spacing_outliers,
)
from monai_cobot.doctor.findings import Diagnosis, Finding, in_order
from monai_cobot.doctor.flips import position_findings
from monai_cobot.doctor.listing import list_cases, unlisted
from monai_cobot.doctor.patients import (
    published_parts_findings,
    spelling_findings,
    split_file_findings,
)
from monai_cobot.doctor.pictures import examine_picture
from monai_cobot.doctor.records import CaseRecord
from monai_cobot.doctor.volumes import examine_volumes
from monai_cobot.errors import CobotError


def check_dataset(
    directory: str | Path,
    spec: DatasetSpec,
    split_file: str | Path | None = None,
    progress: bool = False,
) -> Diagnosis:
    """Look through a dataset before hours are spent on it; nothing is changed.

    Every file is read once, and one case at a time is in memory. What cannot be read is a finding,
    and the rest is still looked at.

    Args:
        directory: folder in one of the dataset's layouts, or a datalist JSON.
        spec: the dataset; it need not be registered.
        split_file: a split to hold against the cases.
        progress: show a bar while reading.

    Raises:
        CobotError: ``directory`` or ``split_file`` does not exist.
    """
    place = Path(directory).expanduser().resolve()
    if not place.exists():
        raise CobotError(f"{place} does not exist: give the folder of the dataset")
    if split_file is not None and not Path(split_file).expanduser().is_file():
        raise CobotError(f"{split_file} does not exist: check the path of the split_file")
    cases, findings = list_cases(place, spec)
    examined, records = examine_cases(cases, spec, progress)
    findings += examined
    findings += unlisted(cases, findings, spec)
    if split_file is not None:
        findings += split_file_findings(Path(split_file).expanduser(), cases)
    return Diagnosis(spec.code, str(place), in_order(findings), tuple(records), spec.names)


def examine_cases(
    cases: Sequence[Case], spec: DatasetSpec, progress: bool = False
) -> tuple[list[Finding], list[CaseRecord]]:
    """Look at every case, and at the cases against each other.

    Returns:
        what was found, and what was measured of each case, in the order of the cases.
    """
    examine = examine_volumes if spec.dimensions == 3 else examine_picture
    found: list[Finding] = []
    records: list[CaseRecord] = []
    for case in tqdm(cases, desc="looking at cases", unit="case", disable=not progress):
        findings, record = examine(case, spec)
        records.append(record)
        found += findings
    return [*found, *_compared(cases, records, spec)], records


def _compared(
    cases: Sequence[Case], records: Sequence[CaseRecord], spec: DatasetSpec
) -> Iterator[Finding]:
    """The cases against each other."""
    yield from copies(records)
    yield from published_parts_findings(cases)
    yield from spelling_findings(cases)
    if spec.dimensions == 3:
        yield from orientation_outliers(records)
        yield from spacing_outliers(records)
        yield from organ_outliers(records, spec)
        yield from position_findings(records)
    elif cases and not any(target_instances(case) for case in cases):
        what, remedy = "no picture has an instance with a mask", "add masks: boxes are no truth"
        yield Finding.of("no_target", what, remedy)
