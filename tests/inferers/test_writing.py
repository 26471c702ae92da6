from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch

from monai_cobot.errors import CobotError
from monai_cobot.inferers import PromptedVolumeInferer, write_label_like
from monai_cobot.transforms import Preprocessing, prompts_from_label, volume_transforms
from tests.nifti_files import ORIENTATIONS, oblique_affine, write_nifti

SHAPE = (9, 8, 7)
PREPROCESSING = Preprocessing("CT", (-160, 240))
KEPT = ("dim", "pixdim", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z", "xyzt_units")
QUATERNION = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")


def source_label(tmp_path: Path, orientation: str, dtype: type = np.uint8) -> Path:
    values = np.random.default_rng(0).integers(0, 14, SHAPE).astype(dtype)
    return write_nifti(tmp_path / "source.nii.gz", values, oblique_affine(orientation))


def read_as_volume(path: Path) -> torch.Tensor:
    item = {"image": str(path), "label": str(path)}
    return volume_transforms(PREPROCESSING)(item)["label"]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_oblique_volume_comes_back_as_it_was(tmp_path: Path, orientation: str) -> None:
    path = source_label(tmp_path, orientation)
    out = write_label_like(read_as_volume(path)[0], path, tmp_path / "out" / "a_seg.nii.gz")
    source, written = nib.load(path), nib.load(out)
    assert np.array_equal(written.get_sform(), source.get_sform())
    assert np.array_equal(written.affine, source.affine)
    assert all(np.array_equal(written.header[k], source.header[k]) for k in KEPT + QUATERNION)
    assert written.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(source.dataobj))


def test_the_whole_way_through_slices_and_a_network(tmp_path: Path) -> None:
    """Orientation, slices, a network that fills boxes, back, and written: the label's own boxes."""
    values = np.zeros(SHAPE, np.uint8)
    values[2:5, 1:6, 2:5] = 3
    path = write_nifti(tmp_path / "source.nii.gz", values, oblique_affine("PSR"))
    label = read_as_volume(path)

    def fill(image: torch.Tensor, boxes: list[torch.Tensor]) -> torch.Tensor:
        logits = -torch.ones(len(boxes[0]), 1, *image.shape[-2:])
        for plane, (x0, y0, x1, y1) in zip(logits, boxes[0].round().int().tolist(), strict=True):
            plane[0, y0:y1, x0:x1] = 1
        return logits

    result = PromptedVolumeInferer(9 * 4)(label[None], fill, prompts_from_label(label))
    out = write_label_like(result[0, 0], path, tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(np.asarray(nib.load(out).dataobj), values)


def test_simpleitk_sees_the_same_space(tmp_path: Path) -> None:
    path = source_label(tmp_path, "LPS")
    out = write_label_like(read_as_volume(path)[0], path, tmp_path / "out.nii.gz")
    source, written = sitk.ReadImage(str(path)), sitk.ReadImage(str(out))
    assert written.GetPixelIDTypeAsString() == "8-bit unsigned integer"
    assert written.GetDirection() == source.GetDirection()
    assert written.GetOrigin() == source.GetOrigin()
    assert written.GetSpacing() == source.GetSpacing()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(source))


def test_a_scaled_source_does_not_scale_the_labels(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.linspace(-1000, 900, 504).reshape(SHAPE), oblique_affine("LAS"))
    image.header.set_data_dtype(np.int16)  # nibabel then stores a slope and an intercept
    nib.save(image, tmp_path / "ct.nii.gz")
    labels = np.arange(504).reshape(SHAPE) % 300
    out = write_label_like(labels, tmp_path / "ct.nii.gz", tmp_path / "out.nii.gz")
    written = nib.load(out)
    assert written.get_data_dtype() == np.uint16
    assert written.header.get_slope_inter() in ((None, None), (1.0, 0.0))
    assert sorted(np.unique(np.asarray(written.dataobj))) == list(range(300))


def test_a_qform_alone_is_kept(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros(SHAPE, np.int16), None)
    image.set_qform(oblique_affine("LPS"), code=1)
    nib.save(image, tmp_path / "q.nii.gz")
    out = write_label_like(np.ones(SHAPE), tmp_path / "q.nii.gz", tmp_path / "out.nii.gz")
    source, written = nib.load(tmp_path / "q.nii.gz"), nib.load(out)
    assert np.array_equal(written.affine, source.affine)
    assert all(np.array_equal(written.header[k], source.header[k]) for k in KEPT + QUATERNION)


def test_a_fourth_axis_of_one_is_kept(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "i.nii.gz", np.zeros((*SHAPE, 1), np.int16), np.eye(4))
    out = write_label_like(np.ones(SHAPE, np.uint8), path, tmp_path / "out.nii.gz")
    assert nib.load(out).shape == (*SHAPE, 1)


def test_what_may_name_a_patient_is_left_out(tmp_path: Path) -> None:
    path = source_label(tmp_path, "LPS")
    source = nib.load(path)
    source.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"born 1970"))
    nib.save(source, tmp_path / "named.nii.gz")
    out = write_label_like(
        read_as_volume(path)[0], tmp_path / "named.nii.gz", tmp_path / "out.nii.gz"
    )
    header = nib.load(out).header
    assert len(header.extensions) == 0
    assert header["descrip"].item() == b""


def test_a_file_is_replaced_whole_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = source_label(tmp_path, "LPS")
    label = read_as_volume(path)[0]
    folder = tmp_path / "out"
    for _ in range(2):
        write_label_like(label, path, folder / "a.nii.gz")
    assert [file.name for file in folder.iterdir()] == ["a.nii.gz"]


@pytest.mark.parametrize(
    ("labels", "name", "message"),
    [
        (np.zeros((8, 9, 7)), "a.nii.gz", r"does not fit .*source\.nii\.gz with shape \(9, 8, 7\)"),
        (np.full(SHAPE, 0.5), "a.nii.gz", "whole numbers from 0 to 65535"),
        (np.full(SHAPE, -1), "a.nii.gz", "whole numbers from 0 to 65535"),
        (np.full(SHAPE, np.nan), "a.nii.gz", "whole numbers from 0 to 65535"),
        (np.zeros((1, *SHAPE)), "a.nii.gz", r"expected a label map \(X, Y, Z\)"),
        (np.zeros(SHAPE), "a.mha", r"a\.mha is not a NIfTI name: let it end in \.nii\.gz"),
    ],
)
def test_what_cannot_be_written_is_named_and_not_written(
    tmp_path: Path, labels: np.ndarray, name: str, message: str
) -> None:
    path = source_label(tmp_path, "RAS")
    with pytest.raises(CobotError, match=message):
        write_label_like(labels, path, tmp_path / "out" / name)
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_no_image_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"not a volume")
    for path in (broken, tmp_path / "none.nii.gz"):
        with pytest.raises(CobotError, match=rf"cannot read .*{path.name}"):
            write_label_like(np.zeros(SHAPE), path, tmp_path / "out.nii.gz")


def test_real_labels_come_back(tmp_path: Path, real_data: Path) -> None:
    paths = sorted((real_data / "ADOME" / "labelsTr").glob("*.nii.gz"))
    assert paths
    for path in paths:
        out = write_label_like(read_as_volume(path)[0], path, tmp_path / path.name)
        source, written = nib.load(path), nib.load(out)
        assert np.array_equal(written.affine, source.affine)
        assert written.header.get_xyzt_units() == source.header.get_xyzt_units()
        np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(source.dataobj))
