"""Starts: prompts that propagate, from the source frame to the slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.transforms import (
    BoxPrompt,
    MaskPrompt,
    Preprocessing,
    boxes_from_label,
    prompts_to_starts,
    tight_box,
    volume_to_slices,
    volume_transforms,
)
from tests.nifti_files import ORIENTATIONS, oblique_affine, write_nifti

SHAPE = (9, 8, 7)
LPS = np.diag([-1.0, -1, 2, 1])  # i and j run as columns and rows do, k as z does
FEET_LAST = np.diag([-1.0, -1, -2, 1])  # k runs against z


def box(**more: Any) -> BoxPrompt:
    return BoxPrompt(4, 2, (1, 2, 3, 5), "case a, box 0", propagate=True, **more)


def test_a_box_by_hand() -> None:
    (start,) = prompts_to_starts([box()], LPS, SHAPE)
    assert (start.organ, start.z, start.box.tolist(), start.mask) == (4, 2, [1, 2, 3, 5], None)
    assert (start.first, start.last) == (0, 6)


def test_slices_and_limits_against_the_axis() -> None:
    (start,) = prompts_to_starts([box(up_to=(1, 5))], FEET_LAST, SHAPE)
    assert (start.z, start.first, start.last) == (4, 1, 5)
    (start,) = prompts_to_starts([box(up_to=(2, 6))], FEET_LAST, SHAPE)
    assert (start.z, start.first, start.last) == (4, 0, 4)


def test_boxes_that_stay_on_their_slice_are_no_starts() -> None:
    assert prompts_to_starts([BoxPrompt(4, 2, (1, 2, 3, 5))], LPS, SHAPE) == []


@pytest.mark.parametrize("orientation", ORIENTATIONS[::5])
def test_a_mask_lies_where_the_image_read_has_it(tmp_path: Path, orientation: str) -> None:
    affine = oblique_affine(orientation)
    drawn = np.zeros(SHAPE, np.uint8)
    axis = next(a for a, code in enumerate(orientation) if code in "SI")
    place: list[Any] = [slice(2, 5), slice(1, 3)]
    for index in (1, 4):
        at = [*place]
        at.insert(axis, slice(index, index + 1))
        drawn[tuple(at)] = 6
    path = write_nifti(tmp_path / "m.nii.gz", drawn, affine)
    files = {"image": str(path), "label": str(path)}
    read = volume_transforms(Preprocessing("CT", (0, 1)))(files)
    label = volume_to_slices(read["label"])[:, 0]
    starts = prompts_to_starts([MaskPrompt(2, path, 6)], affine, SHAPE)
    slices = torch.nonzero(label.flatten(1).any(dim=1))[:, 0].tolist()
    assert [start.z for start in starts] == slices
    for start in starts:
        assert start.mask is not None
        assert torch.equal(start.mask, label[start.z] == 6)
        assert torch.equal(start.box, boxes_from_label(start.mask.int())[0][0])
    # From each slice to the next one that is drawn, and to the ends of the volume.
    low, high = slices
    assert [(start.first, start.last) for start in starts] == [
        (0, high - 1),
        (low + 1, len(label) - 1),
    ]


def test_a_mask_stored_in_another_order_of_axes(tmp_path: Path) -> None:
    """The same grid in space is the same mask."""
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[2:5, 1:3, 4] = 1
    same = write_nifti(tmp_path / "same.nii.gz", drawn, LPS)
    turned = LPS @ np.array([[0, -1, 0, 8], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    other = write_nifti(tmp_path / "other.nii.gz", drawn[::-1].transpose(2, 0, 1).copy(), turned)
    (a,), (b,) = (prompts_to_starts([MaskPrompt(1, p, 1)], LPS, SHAPE) for p in (same, other))
    assert a.mask is not None
    assert b.mask is not None
    assert (a.z, b.z) == (4, 4)
    assert torch.equal(a.mask, b.mask)


def test_limits_around_a_mask_of_two_slices(tmp_path: Path) -> None:
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[2:5, 1:3, [2, 4]] = 1
    path = write_nifti(tmp_path / "m.nii.gz", drawn, LPS)
    starts = prompts_to_starts([MaskPrompt(1, path, 1, up_to=(1, 4))], LPS, SHAPE)
    assert [(s.z, s.first, s.last) for s in starts] == [(2, 1, 3), (4, 3, 4)]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (box(up_to=(3, 6)), r"case a, box 0: up_to \[3, 6\] leaves out the start on slice 2"),
        (box(up_to=(5, 1)), r"up_to \[5, 1\] leaves out"),
        (box(up_to=(0, 7)), "case a, box 0: up_to: slice 7 is outside of the image"),
        (BoxPrompt(1, 9, (0, 0, 1, 1), "box 1", True), "box 1: slice 9 is outside"),
        (BoxPrompt(1, 0, (0, 0, 1, 99), "box 1", True), "box 1: box .* reaches outside"),
    ],
)
def test_boxes_that_cannot_start(prompt: BoxPrompt, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        prompts_to_starts([prompt], LPS, SHAPE)


def spoilt(folder: Path, how: str) -> Path:
    drawn, path = np.zeros(SHAPE, np.uint8), folder / "m.nii.gz"
    drawn[2:5, 1:3, 4] = 1
    if how == "shape":
        drawn = drawn[:-1]
    affine = LPS + np.array([[0, 0, 0, 3.0 * (how == "place")]] + [[0.0] * 4] * 3)
    if how == "time":
        drawn = np.stack([drawn, drawn], axis=3)
    write_nifti(path, drawn, affine)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:60])
    if how == "missing":
        path.unlink()
    return path


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("shape", r"m\.nii\.gz with shape \(8, 8, 7\) is not on the grid .*resample it"),
        ("place", "is not on the grid of its image"),
        ("time", r"with shape \(9, 8, 7, 2\) is not on the grid"),
        ("truncated", "is not readable as NIfTI"),
        ("missing", "does not exist: check the path"),
        ("value", "has no voxel of value 3, only 1: draw the organ, or say its value as 'label'"),
    ],
)
def test_masks_that_cannot_start(tmp_path: Path, how: str, message: str) -> None:
    prompt = MaskPrompt(3, spoilt(tmp_path, how), 3 if how == "value" else 1, place="mask 0")
    with pytest.raises(CobotError, match=f"mask 0: .*{message}"):
        prompts_to_starts([prompt], LPS, SHAPE)


def test_a_tight_box_by_hand() -> None:
    mask = torch.zeros(5, 6, dtype=torch.bool)
    mask[1, 4] = mask[3, 2] = True
    assert tight_box(mask).tolist() == [2, 1, 5, 4]
