"""One case of pictures: what is wrong with it, and its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from monai_cobot.data.image_checks import annotation_file, image_problems
from monai_cobot.data.image_files import colours, pixel_hash
from monai_cobot.data.problems import Problem
from monai_cobot.data.spec import MASKS, Case, DatasetSpec, target_instances
from monai_cobot.doctor.findings import Finding
from monai_cobot.doctor.records import CaseRecord
from monai_cobot.errors import CobotError


def examine_picture(case: Case, spec: DatasetSpec) -> tuple[list[Finding], CaseRecord]:
    """Read a picture and its masks; gives what is wrong, and what the cohort needs of it."""
    name, path = str(case["case"]), str(case["image"])
    findings = [Finding.from_problem(problem, name) for problem in image_problems(case, spec)]
    digest = ""
    if not {"image_unreadable", "image_bits"} & {finding.code for finding in findings}:
        try:
            pixels = colours(path)
        except CobotError as error:  # a small decoding passed, the whole one does not
            problem = Problem("image_unreadable", str(error), path, name)
            return [*findings, Finding.from_problem(problem)], _record(case)
        digest = pixel_hash(pixels)
        if (pixels == pixels[0, 0]).all():
            what, remedy = "is one colour", "export it again"
            findings.append(Finding.of("image_constant", what, remedy, path, name))
    findings += _instance_findings(case)
    return findings, _record(case, digest)


def _record(case: Case, digest: str = "") -> CaseRecord:
    return CaseRecord(
        case=str(case["case"]),
        patient=str(case["patient"]),
        image=str(case["image"]),
        part=str(case.get("part", "")),
        image_hash=digest,
        instances=dict(Counter(str(each["organ"]) for each in target_instances(case))),
    )


def _instance_findings(case: Case) -> Iterator[Finding]:
    """Instances that cannot be targets: without an outline, or with a box of no size."""
    path, name = annotation_file(case), str(case["case"])
    place = Path(case["image"]).name
    instances = case.get("instances", ())
    without = [
        str(each["instance"])
        for each in instances
        if not each.get("crowd") and not any(key in each for key in MASKS)
    ]
    if without:
        what = f"{place} has {len(without)} instances without a usable outline: {_some(without)}"
        remedy = "outline them, or leave them: they are no targets"
        yield Finding.of("no_outline", what, remedy, path, name)
    empty = [
        str(each["instance"])
        for each in instances
        if len(box := each.get("box", ())) == 4 and (box[0] == box[2] or box[1] == box[3])
    ]
    if empty:
        what = f"{place} has {len(empty)} boxes without an area: {_some(empty)}"
        yield Finding.of("box_empty", what, "mend or remove them", path, name)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
