"""One case of volumes: read once, what is wrong with it, and its record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import nibabel as nib
import numpy as np

from monai_cobot.data.label_values import label_values
from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.data.volume_checks import CaseVolumes, Volume, read_case, usable
from monai_cobot.doctor.findings import Finding
from monai_cobot.doctor.geometry import geometry_findings, patient_spacing
from monai_cobot.doctor.intensities import intensity_findings
from monai_cobot.doctor.measure import body_centre, measure_organs
from monai_cobot.doctor.records import CaseRecord

FEWEST_VOXELS = 5
"""An organ of fewer voxels is a slip of the brush."""

AIR_BELOW, AIR_SHARE = -500, 0.4
"""HU, and the share of a label from which it lies in air: a stomach holds some gas."""

AIRY = ("lung", "trachea", "bronch", "airway", "bowel", "colon", "sinus")
"""Organs of these names may be full of air."""


def examine_volumes(case: Case, spec: DatasetSpec) -> tuple[list[Finding], CaseRecord]:
    """Read image and label of a case once; gives what is wrong, and what the cohort needs of it."""
    read = read_case(case, spec)
    name = str(case["case"])
    findings = [Finding.from_problem(problem, name) for problem in read.problems]
    for volume in (read.image, read.label):
        if volume is not None:
            findings += geometry_findings(volume, name)
    if read.image is not None and _measurable(read.image):
        findings += intensity_findings(read.image, spec.modality, name)
    record = _record(case, spec, read)
    findings += _organ_findings(record, spec)
    if read.image is not None and record.organs and spec.modality == "CT":
        findings += _air_findings(case, spec, read)
    return findings, record


def _record(case: Case, spec: DatasetSpec, read: CaseVolumes) -> CaseRecord:
    image, label = read.image, read.label
    sound = image is not None and _measurable(image)
    told = {problem.code for problem in read.problems}
    organs = {}
    if label is not None and _measurable(label) and not told & {"label_not_whole", "label_values"}:
        organs = measure_organs(label, {o.label: o.name for o in spec.organs}, label_values(case))
    return CaseRecord(
        case=str(case["case"]),
        patient=str(case["patient"]),
        image=str(case["image"]),
        label=str(case.get("label", "")),
        part=str(case.get("part", "")),
        image_hash=voxel_hash(image) if image is not None else "",
        label_hash=voxel_hash(label) if label is not None and organs else "",
        spacing=patient_spacing(image.affine) if image is not None and sound else (),
        axes="".join(nib.aff2axcodes(image.affine)) if image is not None and sound else "",
        organs=organs,
        body=body_centre(image, spec.modality) if image is not None and sound else None,
    )


def _measurable(volume: Volume) -> bool:
    return volume.array.ndim == 3 and usable(volume.affine)


def voxel_hash(volume: Volume) -> str:
    """SHA-256 of the voxels in RAS order as float32: however they are stored and compressed."""
    array = volume.array
    if _measurable(volume):
        array = nib.orientations.apply_orientation(array, nib.io_orientation(volume.affine))
    array = np.ascontiguousarray(array, dtype=np.float32)
    return hashlib.sha256(f"{array.shape}|".encode() + array.tobytes()).hexdigest()


def _organ_findings(record: CaseRecord, spec: DatasetSpec) -> Iterator[Finding]:
    if not record.organs:
        return
    absent = [name for name in spec.names if name not in record.organs]
    if absent:
        what = f"lacks {', '.join(absent)}"
        remedy = "nothing, if they are not in the scan"
        yield Finding.of("organ_absent", what, remedy, record.label, record.case)
    for name, organ in record.organs.items():
        if organ.voxels < FEWEST_VOXELS and not organ.cut:
            what = f"{name} has {organ.voxels} voxels"
            remedy = "look at it: a slip of the brush?"
            yield Finding.of("organ_tiny", what, remedy, record.label, record.case)


def _air_findings(case: Case, spec: DatasetSpec, read: CaseVolumes) -> Iterator[Finding]:
    """A label that lies in air belongs to another image, or is mirrored."""
    image, label = read.image, read.label
    if image is None or label is None or image.array.shape != label.array.shape:
        return
    values = label_values(case) or {organ.label: organ.label for organ in spec.organs}
    solid = [o.label for o in spec.organs if not any(word in o.name.lower() for word in AIRY)]
    inside = np.isin(label.array, [value for value, organ in values.items() if organ in solid])
    share = float((image.array[inside] < AIR_BELOW).mean()) if inside.any() else 0.0
    if share > AIR_SHARE:
        what = f"{share:.0%} of its voxels lie in air (below {AIR_BELOW} HU)"
        remedy = "look at both: the label of another image, or mirrored?"
        yield Finding.of("label_in_air", what, remedy, label.path, str(case["case"]))
