from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.transforms import (
    BoxPrompt,
    Preprocessing,
    prompts_from_label,
    prompts_to_slices,
    slices_to_prompts,
    volume_transforms,
)
from tests.nifti_files import ORIENTATIONS, oblique_affine, write_nifti

SHAPE = (9, 8, 7)
BOXES = [(3, 1, (2, 0, 6, 4)), (1, 4, (1, 1, 2, 3)), (2, 4, (3, 2, 6, 5))]  # organ, slice, box


def painted(orientation: str) -> tuple[np.ndarray, list[BoxPrompt]]:
    """A label in the source frame painted straight from the prompts' documented meaning."""
    label = np.zeros(SHAPE, np.uint8)
    slice_axis = next(axis for axis, code in enumerate(orientation) if code in "SI")
    for organ, k, (x0, y0, x1, y1) in BOXES:
        place = [slice(x0, x1), slice(y0, y1)]
        place.insert(slice_axis, slice(k, k + 1))
        label[tuple(place)] = organ
    return label, [BoxPrompt(organ, k, box) for organ, k, box in BOXES]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_source_boxes_meet_the_boxes_of_the_label_read(tmp_path: Path, orientation: str) -> None:
    label, prompts = painted(orientation)
    affine = oblique_affine(orientation)
    path = str(write_nifti(tmp_path / "l.nii.gz", label, affine))
    volume = volume_transforms(Preprocessing("CT", (0, 1)))({"image": path, "label": path})
    from_label = prompts_from_label(volume["label"])

    converted = prompts_to_slices(prompts, affine, SHAPE)
    assert list(converted) == list(from_label)
    for z, (boxes, organs) in converted.items():
        assert torch.equal(boxes, from_label[z][0])
        assert torch.equal(organs, from_label[z][1])
    back = slices_to_prompts(converted, affine, SHAPE)
    assert sorted(back, key=lambda p: p.organ) == sorted(prompts, key=lambda p: p.organ)


def test_fractions_of_voxels_and_several_boxes_of_an_organ_survive() -> None:
    prompts = [BoxPrompt(1, 2, (0.5, 1.25, 3.75, 4)), BoxPrompt(1, 2, (5, 5, 6.5, 7))]
    affine = oblique_affine("LPS")
    slices = prompts_to_slices(prompts, affine, SHAPE)
    assert slices[2][1].tolist() == [1, 1]
    assert sorted(slices_to_prompts(slices, affine, SHAPE), key=lambda p: p.box) == prompts


def test_an_lps_source_is_already_as_the_slice_frame_shows_it() -> None:
    """LPS: i to the left, j to posterior, as columns and rows run; by hand."""
    slices = prompts_to_slices([BoxPrompt(1, 2, (1, 2, 3, 5))], np.diag([-1, -1, 2, 1]), SHAPE)
    assert slices[2][0].tolist() == [[1, 2, 3, 5]]


def test_only_the_slices_asked_for() -> None:
    label = torch.zeros(1, 4, 4, 6, dtype=torch.uint8)
    label[0, 1, 1, 2:5] = 1
    assert list(prompts_from_label(label, slices=[4, 3, 0])) == [3, 4]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (BoxPrompt(1, 7, (0, 0, 1, 1), "case a, box 0"), "case a, box 0: slice 7 .* 0 to 6"),
        (BoxPrompt(1, -1, (0, 0, 1, 1)), "slice -1 is outside"),
        (BoxPrompt(1, 0, (2, 0, 2, 1), "case b, box 3"), "case b, box 3: .* is empty or reaches"),
        (BoxPrompt(1, 0, (0, 0, 9.5, 1)), "give 0 <= x0 < x1 <= 9 and 0 <= y0 < y1 <= 8"),
        (BoxPrompt(1, 0, (0, 0, float("nan"), 1)), "is empty or reaches outside"),
    ],
)
def test_prompts_outside_of_the_image_are_named(prompt: BoxPrompt, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        prompts_to_slices([prompt], np.eye(4), SHAPE)
