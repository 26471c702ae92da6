"""SEGRAP's folders, and label files that number the organs otherwise."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_cobot.data import datasets
from monai_cobot.data.checks import check_cases
from monai_cobot.data.fingerprint import hash_cases
from monai_cobot.data.splits import make_split, target_slices
from monai_cobot.errors import CobotError
from monai_cobot.transforms import Preprocessing, volume_transforms
from tests.data.nifti import write

SEGRAP = datasets.get("SEGRAP")
TRAINING = "SegRap2023_Training_Set_120cases"
IMAGE = np.full((6, 5, 4), 40, np.int16)


def tumour(*values: int) -> np.ndarray:
    """A block of each value, a slice each."""
    label = np.zeros((6, 5, 4), np.uint8)
    for z, value in enumerate(values):
        label[1:3, 1:3, z] = value
    return label


def patient(folder: Path, *images: str, label: str = "GTVnx.nii.gz") -> Path:
    for name in images:
        write(folder / f"{name}.nii.gz", IMAGE)
    if label:
        write(folder / label, tumour(1))
    return folder


def test_two_images_of_a_patient_are_two_cases_with_one_truth(tmp_path: Path) -> None:
    patient(tmp_path / "p1", "image", "image_contrast")
    patient(tmp_path / "p2", "image", label="GTVp.nii.gz")
    patient(tmp_path / "p3", "image_contrast")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes").mkdir()
    cases = SEGRAP.find_cases(tmp_path)
    assert [(c["case"], c["patient"]) for c in cases] == [
        ("p1", "p1"),
        ("p1_contrast", "p1"),
        ("p2", "p2"),
        ("p3_contrast", "p3"),
    ]
    assert cases[0]["label"] == cases[1]["label"] == str(tmp_path / "p1" / "GTVnx.nii.gz")
    assert cases[2]["label"].endswith("GTVp.nii.gz")
    assert all("label_values" not in case for case in cases)
    check_cases(cases, SEGRAP)
    for seed in range(8):
        split = make_split(cases, seed)
        assert ("p1" in split.test) == ("p1_contrast" in split.test)


def both_tumours(tmp_path: Path) -> list[dict[str, str]]:
    """As the challenge distributes them: patients in one folder, label files in another."""
    for name, values in (("segrap_0000", (1, 2, 0, 1)), ("segrap_0001", (2, 1, 2, 0))):
        patient(tmp_path / TRAINING / name, "image", "image_contrast", label="")
        labels = tmp_path / f"{TRAINING}_OneHot_Labels" / "Task002"
        write(labels / f"{name}.nii.gz", tumour(*values))
    return SEGRAP.find_cases(tmp_path)


def test_the_challenges_files_of_both_tumours(tmp_path: Path) -> None:
    cases = both_tumours(tmp_path)
    assert [case["case"] for case in cases] == [
        *("segrap_0000", "segrap_0000_contrast", "segrap_0001", "segrap_0001_contrast")
    ]
    assert {tuple(case["label_values"].items()) for case in cases} == {((1, 1),)}
    check_cases(cases, SEGRAP)  # 2 is in the files, and no error
    assert [target_slices(case) for case in cases] == [[0, 3], [0, 3], [1], [1]]
    read = volume_transforms(Preprocessing(SEGRAP.modality, SEGRAP.window))
    for case in cases:
        label = read(case)["label"]
        canonical = nib.as_closest_canonical(nib.load(case["label"]))
        np.testing.assert_array_equal(label[0].numpy(), canonical.get_fdata() == 1)
        np.testing.assert_array_equal(label.affine.numpy(), canonical.affine)
    assert SEGRAP.find_cases(tmp_path / TRAINING) == cases


def test_other_values_are_another_dataset_and_another_truth(tmp_path: Path) -> None:
    case = both_tumours(tmp_path)[0]
    nodes = {**case, "label_values": {"2": 1}}  # a string, as JSON has keys
    assert hash_cases([case]) != hash_cases([nodes])
    assert hash_cases([case]) == hash_cases([{**case, "label_values": {"1": 1}}])
    assert target_slices(nodes) == [1]
    label = volume_transforms(Preprocessing("CT", (-160, 240)))(nodes)["label"]
    assert label.sum() == 4
    with pytest.raises(CobotError, match=r"is an empty label, without any organ"):
        check_cases([{**case, "label_values": {7: 1}}], SEGRAP)
    with pytest.raises(CobotError, match=r"label_values \[1\]: write them as \{value in the file"):
        check_cases([{**case, "label_values": [1]}], SEGRAP)
    with pytest.raises(CobotError, match=r"has labels \[9\] outside the organ table"):
        check_cases([{**case, "label_values": {1: 9}}], SEGRAP)


def test_images_for_inference(tmp_path: Path) -> None:
    patient(tmp_path / "in" / "p1", "image", "image_contrast", label="")
    patient(tmp_path / "in" / "p2", "image")
    cases = SEGRAP.find_images(tmp_path / "in")
    assert [("label" in case, case["case"]) for case in cases] == [
        (False, "p1"),
        (False, "p1_contrast"),
        (True, "p2"),
    ]
    write(tmp_path / "flat" / "some_0000.nii.gz", IMAGE)
    assert [case["case"] for case in SEGRAP.find_images(tmp_path / "flat")] == ["some"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"has no patient's folder: expected <patient>/image\.nii"):
        SEGRAP.find_cases(tmp_path)
    with pytest.raises(CobotError, match="has no patient's folder"):
        SEGRAP.find_images(tmp_path)
    patient(tmp_path / "p1", "image")
    patient(tmp_path / "p2", "image", label="")
    message = r"p2 has an image but none of GTVnx\.nii\.gz, GTVp\.nii\.gz, nor .*add the label"
    with pytest.raises(CobotError, match=message):
        SEGRAP.find_cases(tmp_path)
    write(tmp_path / "p2" / "GTVp.nii.gz", tumour(1))
    patient(tmp_path / "p3")
    with pytest.raises(
        CobotError, match=r"p3 has a label but none of image\.nii\.gz, image_contrast"
    ):
        SEGRAP.find_cases(tmp_path)
    with pytest.raises(CobotError, match="is no folder: give dataset_dir"):
        SEGRAP.find_cases(tmp_path / "none")


def test_real_files(real_data: Path) -> None:
    cases = SEGRAP.find_cases(real_data / "SEGRAP")
    assert [case["case"] for case in cases] == ["lung1", "lung2"]
    check_cases(cases, SEGRAP)
    assert [len(target_slices(case)) for case in cases] == [
        np.asarray(nib.load(case["label"]).dataobj).any(axis=(0, 1)).sum() for case in cases
    ]
