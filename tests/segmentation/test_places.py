"""A NIfTI file and the same volume as a DICOM series: the same voxels in the right place."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from monai_cobot.data import datasets
from monai_cobot.segmentation.prompting import CasePrompts
from monai_cobot.transforms import load_prompts
from tests.bundle.conftest import Run
from tests.segmentation.conftest import labels_of, make_scan, run, write_boxes, write_nifti

# NIfTI keeps affines as float32: some hundred mm to 6e-5; DICOM's tags here have eight decimals.
FLOAT32 = 1e-4


def test_nifti_and_dicom_agree(adapter: Path, tmp_path: Path) -> None:
    """Oblique, files shuffled and numbered from the head; the NIfTI's slices the other way round.

    Where a segmented voxel lies is computed from the tags of the file of its slice.
    """
    scan = make_scan()
    files = scan.write(tmp_path / "dicom" / "scan")
    nifti = write_nifti(scan, tmp_path / "nifti" / "scan.nii.gz", head_first=True)
    boxes = write_boxes(tmp_path / "boxes.json", "scan")
    mirrored = write_boxes(tmp_path / "mirrored.json", "scan", head_first=True)
    run(tmp_path / "dicom" / "scan", tmp_path / "a", adapter, prompts_file=boxes)
    run(nifti, tmp_path / "b", adapter, prompts_file=mirrored)
    ours = labels_of(tmp_path / "a", "scan")
    assert ours.dtype == np.uint8
    assert set(np.unique(ours)) == {0, 1, 3, 5}
    np.testing.assert_array_equal(ours, labels_of(tmp_path / "b", "scan")[:, :, ::-1])
    places = nib.affines.apply_affine(
        nib.load(tmp_path / "a" / "scan_seg.nii.gz").affine, np.argwhere(ours)
    )
    expected = []
    for column, row, k in np.argwhere(ours):
        tags = pydicom.dcmread(files[k], stop_before_pixels=True)
        across, down = np.reshape(tags.ImageOrientationPatient, (2, 3)).astype(float)
        row_spacing, column_spacing = map(float, tags.PixelSpacing)
        x, y, z = (
            np.array(tags.ImagePositionPatient, float)
            + across * column_spacing * column
            + down * row_spacing * row
        )
        expected.append((-x, -y, z))
    np.testing.assert_allclose(places, expected, rtol=0, atol=FLOAT32)


def test_itk_sees_label_map_and_series_in_one_place(adapter: Path, tmp_path: Path) -> None:
    make_scan().write(tmp_path / "scan")
    run(
        tmp_path / "scan",
        tmp_path / "out",
        adapter,
        prompts_file=write_boxes(tmp_path / "boxes.json", "scan"),
    )
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "scan")))
    series = reader.Execute()
    labels = sitk.ReadImage(str(tmp_path / "out" / "scan_seg.nii.gz"))
    assert labels.GetSize() == series.GetSize()
    for name in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(
            getattr(labels, name)(), getattr(series, name)(), rtol=0, atol=FLOAT32
        )


def test_it_is_the_bundles_own_inference(
    adapter: Path, tmp_path: Path, infer: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (0, 1):
        write_nifti(make_scan(seed), tmp_path / "images" / f"case{seed}_0000.nii.gz")
    boxes = write_boxes(tmp_path / "boxes.json", "case0", "case1")
    ids = {"prompts_file": str(boxes), "checkpoint": str(adapter)}
    infer(tmp_path / "images", tmp_path / "bundle", **ids)
    monkeypatch.chdir(tmp_path)
    run(Path("images"), Path("out"), adapter, prompts_file=Path("boxes.json"))
    for case in ("case0", "case1"):
        file = f"{case}_seg.nii.gz"
        np.testing.assert_array_equal(
            labels_of(tmp_path / "out", case), labels_of(tmp_path / "bundle", case)
        )
        ours, theirs = (nib.load(tmp_path / folder / file) for folder in ("out", "bundle"))
        assert ours.header == theirs.header


def test_volumes_are_voxels_times_their_size(adapter: Path, tmp_path: Path) -> None:
    scan = make_scan()
    scan.write(tmp_path / "scan")
    summary = run(
        tmp_path / "scan",
        tmp_path / "out",
        adapter,
        prompts_file=write_boxes(tmp_path / "boxes.json", "scan"),
    )
    counted = labels_of(tmp_path / "out", "scan")
    found = summary.cases["scan"].volumes_ml
    assert set(found) == {"liver", "spleen", "aorta"}
    for organ, value in datasets.get("ADOME").labels.items():
        ml = (counted == value).sum() * 1.3 * 0.7 * 4.1 / 1000
        assert found.get(organ, 0) == pytest.approx(ml, abs=0.001)  # three decimals


def test_masks_are_found_from_where_the_file_is(tmp_path: Path) -> None:
    """A case's prompts are written elsewhere; its mask files stay where they are."""
    masks = [{"organ": "liver", "mask": "drawn/liver.nii.gz"}]
    document = {"schema": "monai_cobot/prompts/2", "frame": "source", "units": "voxel edges",
                "cases": {"a": {"masks": masks}}}  # fmt: skip
    (tmp_path / "drawn").mkdir()
    volume = np.zeros((4, 4, 4), np.uint8)
    volume[1:3, 1:3, 2] = 1
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "drawn" / "liver.nii.gz")
    (tmp_path / "boxes.json").write_text(json.dumps(document))
    (tmp_path / "elsewhere").mkdir()
    prompts = CasePrompts(tmp_path / "boxes.json", {"liver": 1}, ["a"])
    written = prompts.write("a", tmp_path / "elsewhere")
    (mask,) = load_prompts(written, {"liver": 1})["a"]
    assert Path(mask.file) == tmp_path / "drawn" / "liver.nii.gz"
