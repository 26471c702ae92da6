"""Layouts of other readers: what one refuses, and that it reads on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monai_cobot.data import datasets
from monai_cobot.doctor import check_dataset
from tests.data.nifti import write_case
from tests.data.picture_files import save_picture

SHIP = "<object><name>ship</name><polygon><point>1,1</point><point>5,1</point><point>5,4</point>"
VOC = f"<annotation>{SHIP}</polygon></object></annotation>"


def nwpu(root: Path) -> Path:
    """The archive: pictures, and boxes in text files."""
    (root / "ground truth").mkdir(parents=True)
    for number in (1, 2, 3):
        save_picture(root / "positive image set" / f"00{number}.jpg", seed=number)
        (root / "ground truth" / f"00{number}.txt").write_text("(1,1),(5,4),2\n")
    return root


def ssdd(root: Path) -> Path:
    """VOC's style, undivided."""
    (root / "Annotations").mkdir(parents=True)
    for number in (1, 2, 3):
        save_picture(root / "JPEGImages" / f"{number}.jpg", seed=number)
        (root / "Annotations" / f"{number}.xml").write_text(VOC)
    return root


def segrap(root: Path) -> Path:
    for patient in ("p1", "p2", "p3"):
        case = write_case(root, patient)
        (root / patient).mkdir()
        Path(case["image"]).rename(root / patient / "image.nii.gz")
        Path(case["label"]).rename(root / patient / "GTVnx.nii.gz")
    for folder in ("images", "labels"):
        (root / folder).rmdir()
    return root


def gone(name: str, told: str) -> Callable[[Path], Path]:
    def plant(root: Path) -> Path:
        (root / name).unlink()
        return root / told

    return plant


def text(name: str, content: str) -> Callable[[Path], Path]:
    def plant(root: Path) -> Path:
        (root / name).write_text(content)
        return root / name

    return plant


FAULTS = [
    (
        "NWPU",
        nwpu,
        gone("ground truth/002.txt", "positive image set/002.jpg"),
        "missing_label",
    ),
    (
        "NWPU",
        nwpu,
        gone("positive image set/002.jpg", "ground truth/002.txt"),
        "missing_image",
    ),
    ("NWPU", nwpu, text("ground truth/002.txt", "(1,1),(5,4),11"), "annotation_unusable"),
    ("SSDD", ssdd, gone("Annotations/2.xml", "JPEGImages/2.jpg"), "missing_label"),
    ("SSDD", ssdd, text("Annotations/2.xml", VOC.replace("ship", "whale")), "annotation_unusable"),
    ("SEGRAP", segrap, gone("p2/GTVnx.nii.gz", "p2"), "missing_label"),
    ("SEGRAP", segrap, gone("p2/image.nii.gz", "p2"), "missing_image"),
    ("SEGRAP", segrap, text("p2/GTVnx.nii.gz", "none"), "label_unreadable"),
]
# The tiny volumes are 40 everywhere and alike; boxes alone are no targets.
KNOWN = {"image_constant", "duplicate_image", "no_target"}


@pytest.mark.parametrize(
    ("code", "make", "plant", "kind"), FAULTS, ids=[f"{f[0]} {f[3]}" for f in FAULTS]
)
def test_the_rest_of_the_folder_is_read(
    tmp_path: Path,
    code: str,
    make: Callable[[Path], Path],
    plant: Callable[[Path], Path],
    kind: str,
) -> None:
    root = make(tmp_path / "data")
    clean = check_dataset(root, datasets.get(code))
    assert clean.cases == 3
    assert {f.code for f in clean.findings if f.severity == "error"} <= KNOWN
    file = str(plant(root))
    diagnosis = check_dataset(root, datasets.get(code))
    errors = {(f.code, f.file) for f in diagnosis.findings if f.severity == "error"}
    assert {error for error in errors if error[0] not in KNOWN} == {(kind, file)}
    assert diagnosis.cases >= 2
