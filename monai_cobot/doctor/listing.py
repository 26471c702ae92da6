"""The cases of a folder, with all that its reader refuses or remarks."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from monai_cobot.data.datalist import NIFTI_ENDINGS
from monai_cobot.data.image_files import IMAGE_ENDINGS
from monai_cobot.data.labelled import find_labelled
from monai_cobot.data.problems import aside, collected
from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.doctor.findings import Finding

FEWEST_IMAGES = 2
"""A folder with images of so many patients is a folder of images; its other files are looked at."""


def list_cases(directory: Path, spec: DatasetSpec) -> tuple[list[Case], list[Finding]]:
    """Find the cases; what the reader refuses becomes a finding, and the rest is still found.

    Args:
        directory: a folder in one of the dataset's layouts, or a datalist JSON.
        spec: the dataset.
    """
    cases: list[Case] = []
    with collected() as problems, _remarks() as remarks, aside("reader", directory):
        cases = find_labelled(directory, spec)
    findings = [Finding.from_problem(problem) for problem in problems]
    findings += [
        Finding.of(
            "reader_note",
            text.removeprefix(f"{directory}: "),
            "look whether it is meant",
            str(directory),
        )
        for text in dict.fromkeys(remarks)
    ]
    return cases, findings


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """Collect what the readers warn of, instead of printing it."""
    texts: list[str] = []

    class _Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    logger, handler = logging.getLogger("monai_cobot.data"), _Collector(logging.WARNING)
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield texts
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def unlisted(
    cases: Sequence[Case], told: Sequence[Finding], spec: DatasetSpec
) -> Iterator[Finding]:
    """Files beside the images that are no case's: forgotten in a list, or of another dataset."""
    endings = NIFTI_ENDINGS if spec.dimensions == 3 else IMAGE_ENDINGS
    known = {Path(finding.file).resolve() for finding in told if finding.file}
    patients: dict[Path, set[str]] = defaultdict(set)
    for case in cases:
        patients[Path(case["image"]).parent].add(str(case["patient"]))
        known |= {Path(path).resolve() for path in _files(case)}
    for folder, names in sorted(patients.items()):
        others = [
            path.name
            for path in sorted(folder.iterdir())
            if path.name.lower().endswith(endings)
            and not path.name.startswith(".")
            and path.resolve() not in known
        ]
        if others and len(names) >= FEWEST_IMAGES:
            what = f"{len(others)} files in it belong to no case, the first is {others[0]}"
            remedy = "add them to the list, or leave them: they are not read"
            yield Finding.of("not_listed", what, remedy, str(folder))


def _files(case: Case) -> Iterator[str]:
    yield from (case[key] for key in ("image", "label", "mask") if key in case)
    for instance in case.get("instances", ()):
        yield from instance.get("mask_files", ())
        yield from ([instance["index_mask"]] if "index_mask" in instance else ())
