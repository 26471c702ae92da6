from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.transforms import (
    Preprocessing,
    slices_to_volume,
    source_axes,
    source_geometry,
    volume_to_slices,
    volume_transforms,
    voxel_spacing,
    voxel_to_source,
)
from tests.nifti_files import ORIENTATIONS, SPACING, oblique_affine, write_nifti

SHAPE = (7, 6, 5)
CT = Preprocessing("CT", (-160, 240))


def case_files(folder: Path, orientation: str) -> dict[str, str]:
    random = np.random.default_rng(0)
    affine = oblique_affine(orientation)
    image = write_nifti(folder / "i.nii.gz", random.integers(-900, 900, SHAPE, np.int16), affine)
    label = write_nifti(folder / "l.nii.gz", random.integers(0, 14, SHAPE, np.uint8), affine)
    return {"case": "a", "image": str(image), "label": str(label)}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_source_to_slices_and_back_is_exact(tmp_path: Path, orientation: str) -> None:
    item = case_files(tmp_path, orientation)
    volume = volume_transforms(CT)(item)
    canonical = nib.as_closest_canonical(nib.load(item["label"]))  # nibabel as second opinion
    np.testing.assert_array_equal(volume["label"][0].numpy(), canonical.get_fdata())
    np.testing.assert_array_equal(volume["label"].affine.numpy(), canonical.affine)

    affine, shape = source_geometry(volume["image"])
    source = nib.load(item["label"])
    np.testing.assert_array_equal(affine, source.affine)
    assert shape == SHAPE
    back = slices_to_volume(volume_to_slices(volume["label"]))[0].numpy()
    np.testing.assert_array_equal(voxel_to_source(back, affine), source.get_fdata())


def test_spacing_follows_the_voxel_frame(tmp_path: Path) -> None:
    volume = volume_transforms(CT)(case_files(tmp_path, "SPL"))
    expected = (SPACING[2], SPACING[1], SPACING[0])
    # float32 in the file's sform
    np.testing.assert_allclose(voxel_spacing(volume["image"]), expected, rtol=1e-6)


def test_the_ct_window_is_clipped_and_rounded_to_bytes(tmp_path: Path) -> None:
    values = np.array([-1000, -160, -159, 0, 40, 239, 240, 3000], dtype=np.int16)
    image = write_nifti(tmp_path / "i.nii.gz", values.reshape(8, 1, 1), np.eye(4))
    scaled = volume_transforms(CT)({"image": str(image)})["image"]
    assert scaled.dtype == torch.uint8
    # 255 * (HU + 160) / 400, by hand: 0.6375, 102, 127.5 (to even), 254.36
    assert scaled.flatten().tolist() == [0, 0, 1, 102, 128, 254, 255, 255]


def test_mr_is_scaled_between_percentiles_of_the_volume(tmp_path: Path) -> None:
    values = np.random.default_rng(1).gamma(2, 300, (20, 20, 5)).astype(np.float32)
    image = write_nifti(tmp_path / "i.nii.gz", values, np.eye(4))
    scaled = volume_transforms(Preprocessing("MR"))({"image": str(image)})["image"]
    low, high = np.percentile(values.astype(np.float64), (0.5, 99.5))
    expected = np.clip((values - low) / (high - low), 0, 1) * 255
    # half a step of rounding, and float32 noise in the percentiles
    assert np.abs(scaled[0].numpy() - expected).max() <= 0.5 + 1e-3


def test_a_single_fourth_axis_is_the_channel(tmp_path: Path) -> None:
    image = write_nifti(tmp_path / "i.nii.gz", np.zeros((*SHAPE, 1), np.int16), np.eye(4))
    assert volume_transforms(CT)({"image": str(image)})["image"].shape == (1, *SHAPE)


def test_a_non_finite_image_is_named(tmp_path: Path) -> None:
    values = np.zeros(SHAPE, np.float32)
    values[1, 2, 3] = np.nan
    image = write_nifti(tmp_path / "bad.nii.gz", values, np.eye(4))
    with pytest.raises(CobotError, match=r"bad\.nii\.gz holds values that are not finite"):
        volume_transforms(CT)({"image": str(image)})


@pytest.mark.parametrize("value", [0.5, -1, 256])
def test_a_label_of_other_values_is_named(tmp_path: Path, value: float) -> None:
    item = case_files(tmp_path, "RAS")
    write_nifti(Path(item["label"]), np.full(SHAPE, value, np.float32), np.eye(4))
    with pytest.raises(CobotError, match=r"l\.nii\.gz holds values that are no labels"):
        volume_transforms(CT)(item)


def test_several_phases_in_a_file_are_refused(tmp_path: Path) -> None:
    image = write_nifti(tmp_path / "two.nii.gz", np.zeros((*SHAPE, 2), np.int16), np.eye(4))
    with pytest.raises(CobotError, match=r"two\.nii\.gz has shape \(2, 7, 6, 5\)"):
        volume_transforms(CT)({"image": str(image)})


@pytest.mark.parametrize(
    ("modality", "window", "message"),
    [
        ("PET", (0, 1), "unknown modality 'PET': choose CT or MR"),
        ("CT", (240, -160), "give two ascending numbers"),
        ("MR", (-160, 240), "percentiles lie within 0 and 100"),
    ],
)
def test_bad_preprocessing_is_refused(modality, window, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        Preprocessing(modality, window)


def test_preprocessing_survives_a_manifest() -> None:
    assert Preprocessing.from_dict(CT.to_dict()) == CT
    assert Preprocessing("CT", [-160, 240]) == CT  # a list, as YAML gives it


def test_an_affine_without_directions_is_refused() -> None:
    with pytest.raises(CobotError, match="does not give three directions"):
        source_axes(np.diag([1.0, 0, 1, 1]))
