"""A case held against the others: copies, orientation, spacing, organs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from monai_cobot.data.spec import DatasetSpec
from monai_cobot.doctor.cohort_positions import FEWEST_CASES
from monai_cobot.doctor.findings import Finding
from monai_cobot.doctor.records import CaseRecord

MOST = 0.9
"""Share of the cohort that has to agree before a case that differs is told."""

SPACING_FACTOR, SPACING_DEVIATIONS = 3.0, 5.0
"""A spacing is told that differs from the median by this factor and by so many deviations."""

TINY_SHARE = 0.05
"""Of an organ's median volume; people differ less, unless the scan cuts the organ."""


def copies(records: Sequence[CaseRecord]) -> Iterator[Finding]:
    """Images, and labels, that are equal voxel by voxel under two names."""
    images: dict[str, CaseRecord] = {}
    labels: dict[str, CaseRecord] = {}
    for record in records:
        first = images.setdefault(record.image_hash, record) if record.image_hash else record
        if first.image != record.image:
            yield _copy(record, first)
        other = labels.setdefault(record.label_hash, record) if record.label_hash else record
        if other.patient != record.patient and first is record:
            what = f"has the same voxels as {other.label}, the label of another patient"
            remedy = "look which image it belongs to, and restore the other"
            yield Finding.of("duplicate_label", what, remedy, record.label, record.case)


def _copy(record: CaseRecord, first: CaseRecord) -> Finding:
    what = f"is equal to {first.image} of case {first.case}"
    if first.part != record.part:
        what += f", which is in the {first.part} part, this one in the {record.part} part"
    if first.patient == record.patient and first.part == record.part:
        remedy = "remove one, or leave it: both are one patient, a split keeps them together"
        return Finding.of("copies_of_a_patient", what, remedy, record.image, record.case)
    remedy = "remove one, or give both one patient, else it is trained on and tested on"
    return Finding.of("duplicate_image", what, remedy, record.image, record.case)


def orientation_outliers(records: Sequence[CaseRecord]) -> Iterator[Finding]:
    """Files stored in another order of axes than nearly all others."""
    found = [record for record in records if record.axes]
    for record in found:
        others = Counter(other.axes for other in found if other is not record)
        if others.total() < FEWEST_CASES - 1:
            return
        axes, count = others.most_common(1)[0]
        if axes != record.axes and count >= MOST * others.total():
            what = f"is stored as {record.axes}, {count} of {others.total()} others as {axes}"
            remedy = "look whether its affine is right; if it is, leave it: reading reorients"
            yield Finding.of("orientation_differs", what, remedy, record.image, record.case)


def spacing_outliers(records: Sequence[CaseRecord]) -> Iterator[Finding]:
    """Spacings far from the cohort's, along the patient's axes."""
    found = [record for record in records if record.spacing and min(record.spacing) > 0]
    if len(found) < FEWEST_CASES:
        return
    logs = np.log([record.spacing for record in found])
    median = np.median(logs, axis=0)
    deviation = 1.4826 * np.median(np.abs(logs - median), axis=0)
    limit = np.maximum(math.log(SPACING_FACTOR), SPACING_DEVIATIONS * deviation)
    for record, distance in zip(found, np.abs(logs - median), strict=True):
        if (distance > limit).any():
            own, usual = (
                " x ".join(f"{value:.3g}" for value in values)
                for values in (record.spacing, np.exp(median))
            )
            what = f"has a spacing of {own} mm, the median is {usual} mm"
            remedy = "look whether its header is right"
            yield Finding.of("spacing_outlier", what, remedy, record.image, record.case)


def organ_outliers(records: Sequence[CaseRecord], spec: DatasetSpec) -> Iterator[Finding]:
    """Organs that no case has, and organs that are tiny against the other cases' whole ones."""
    labelled = [record for record in records if record.organs]
    nowhere = [n for n in spec.names if not any(n in record.organs for record in labelled)]
    if labelled and nowhere:
        what = f"no case has {', '.join(nowhere)}"
        remedy = "look at the numbering of the labels, or take them out of the table"
        yield Finding.of("organ_nowhere", what, remedy)
    for name in spec.names:
        having = [record for record in labelled if name in record.organs]
        if len(having) < FEWEST_CASES:
            continue
        median = float(np.median([record.organs[name].millilitres for record in having]))
        for record in having:
            organ = record.organs[name]
            if organ.millilitres < TINY_SHARE * median and not organ.cut:
                what = f"{name} has {organ.millilitres:.2g} ml, the median is {median:.2g} ml"
                remedy = "look at it: a part only, or a stray region?"
                yield Finding.of("organ_tiny", what, remedy, record.label, record.case)
