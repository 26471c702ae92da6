"""Measurements of a volume: the same in all 48 ways to store it, and as nibabel has them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_cobot.data.volume_checks import Volume
from monai_cobot.doctor.geometry import patient_spacing
from monai_cobot.doctor.measure import body_centre, measure_organs
from monai_cobot.doctor.volumes import voxel_hash
from tests.nifti_files import ORIENTATIONS, SPACING, oblique_affine

ROUNDING_MM = 1e-6
NAMES = {1: "liver", 3: "spleen", 4: "pancreas"}


def volume(orientation: str) -> Volume:
    """One scan in RAS, stored in another order of axes by nibabel."""
    array = np.random.default_rng(0).integers(0, 5, (6, 7, 8)).astype(np.int16)
    array[:, :, 0] = 0
    stored = nib.Nifti1Image(array, oblique_affine("RAS")).as_reoriented(
        nib.orientations.axcodes2ornt(tuple(orientation))
    )
    return Volume("a.nii", np.asarray(stored.dataobj), stored.affine)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_storage_does_not_matter(orientation: str) -> None:
    first, other = volume("RAS"), volume(orientation)
    assert voxel_hash(other) == voxel_hash(first)
    assert np.allclose(patient_spacing(other.affine), SPACING)
    for organ, same in zip(
        measure_organs(first, NAMES).values(), measure_organs(other, NAMES).values(), strict=True
    ):
        assert np.allclose(organ.position, same.position, atol=ROUNDING_MM)
        assert (organ.voxels, organ.cut) == (same.voxels, same.cut)


def test_another_number_or_shape_is_another_volume() -> None:
    first = volume("RAS")
    array = first.array.copy()
    array[0, 0, 0] += 1
    flat = first.array.reshape(6, 8, 7)
    hashes = {voxel_hash(Volume("", a, first.affine)) for a in (first.array, array, flat)}
    assert len(hashes) == 3
    as_float = Volume("", first.array.astype(np.float64), first.affine)
    assert voxel_hash(as_float) == voxel_hash(first)


def test_organs_by_hand() -> None:
    array = np.zeros((4, 4, 4), np.uint8)
    array[1:3, 1, 2] = 1  # two voxels inside
    array[3, 3, 3] = 3  # in the corner
    affine = np.diag([-2.0, 3.0, 5.0, 1.0])
    affine[:3, 3] = (10, 20, 30)
    found = measure_organs(Volume("", array, affine), NAMES)
    assert list(found) == ["liver", "spleen"]
    liver = found["liver"]
    assert (liver.voxels, liver.millilitres, liver.cut) == (2, pytest.approx(0.06), False)
    assert liver.position.tolist() == [10 - 2 * 1.5, 20 + 3, 30 + 5 * 2]
    assert found["spleen"].cut


def test_values_of_the_file_are_translated() -> None:
    array = np.array([[[1, 2, 2, 7]]])
    found = measure_organs(Volume("", array, np.eye(4)), NAMES, {2: 1, 7: 1, 1: 0})
    assert {name: organ.voxels for name, organ in found.items()} == {"liver": 3}


def test_the_body_is_brighter_than_air() -> None:
    image = np.full((5, 5, 5), -1000.0)
    image[3, 1:4, 2] = 40
    image[0, 0, 0] = np.nan
    assert body_centre(Volume("", image, np.eye(4)), "CT") == pytest.approx([3, 2, 2])
    assert body_centre(Volume("", image, np.eye(4)), "MR") == pytest.approx([3, 2, 2])
    assert body_centre(Volume("", np.full((2, 2, 2), -1000.0), np.eye(4)), "CT") is None
    assert body_centre(Volume("", np.full((2, 2, 2), np.nan), np.eye(4)), "MR") is None


def test_centres_agree_with_nibabel_on_real_labels(real_data: Path) -> None:
    path = real_data / "SPLEN" / "labelsTr" / "ts_ct512.nii.gz"
    file = nib.load(path)
    array = np.asarray(file.dataobj)
    spleen = measure_organs(Volume(str(path), array, file.affine), {1: "spleen"})["spleen"]
    expected = nib.affines.apply_affine(file.affine, np.argwhere(array == 1).mean(axis=0))
    assert np.allclose(spleen.position, expected, atol=ROUNDING_MM)
    voxel = float(np.prod(file.header.get_zooms()))
    assert spleen.millilitres == pytest.approx((array == 1).sum() * voxel / 1000, rel=1e-5)
