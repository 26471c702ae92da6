"""Propagation with a network whose answers are known: a threshold inside of its box."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.inferers import (
    FileBoxes,
    PromptedVolumeInferer,
    Propagation,
    VolumeCollate,
    prepare_volume,
    write_label_like,
)
from monai_cobot.transforms import (
    Preprocessing,
    Start,
    prompts_from_label,
    slices_to_volume,
    tight_box,
    volume_transforms,
)
from monai_cobot.transforms.frame import PIXEL_MEAN, PIXEL_STD
from tests.nifti_files import oblique_affine, write_nifti

SIZE, DEPTH = 64, 30
TISSUE, BRIGHTER = 120, 200
# With voxels of one millimetre the margin is its least, one pixel.
FOLLOW = Propagation()


class Threshold:
    """A network that finds whatever is brighter than 100 inside of its box; it counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: torch.Tensor, boxes: list[torch.Tensor]) -> torch.Tensor:
        self.calls += 1
        bright = image[0, 0] * PIXEL_STD[0] + PIXEL_MEAN[0] > 100
        logits = -torch.ones(len(boxes[0]), 1, SIZE, SIZE)
        for plane, (x0, y0, x1, y1) in zip(logits, boxes[0].round().int().tolist(), strict=True):
            plane[0, y0:y1, x0:x1] += 2 * bright[y0:y1, x0:x1]
        return logits


def spindle(row: int = 30, column: int = 26, first: int = 6, last: int = 24) -> torch.Tensor:
    """A body (Z, H, W) bool of round slices, 10 pixels wide in its middle and 5 at its ends."""
    z, y, x = np.mgrid[:DEPTH, :SIZE, :SIZE]
    middle = (first + last) / 2
    radius = 10 - 5 * abs(z - middle) / (last - middle)
    inside = (y - row) ** 2 + (x - column) ** 2 <= radius**2
    return torch.from_numpy(inside & (z >= first) & (z <= last))


def stack(*bodies: tuple[torch.Tensor, int]) -> torch.Tensor:
    """Slices (Z, 1, H, W) of bodies with an intensity each, the later ones on top; 40 around."""
    slices = torch.full((DEPTH, 1, SIZE, SIZE), 40, dtype=torch.uint8)
    for body, intensity in bodies:
        slices[:, 0][body] = intensity
    return slices


def start_of(body: torch.Tensor, z: int, organ: int = 3, **limits: int) -> Start:
    limits = {"first": 0, "last": DEPTH - 1, **limits}
    return Start(organ, z, tight_box(body[z]), None, **limits)


def run(slices: torch.Tensor, *starts: Start, settings: Propagation = FOLLOW) -> torch.Tensor:
    """The label map (Z, H, W)."""
    inferer = PromptedVolumeInferer(SIZE, propagation=settings)
    volume = slices_to_volume(slices)[None]
    found = inferer(volume, Threshold(), {}, starts=list(starts))
    return found[0, 0].permute(2, 1, 0).flip((1, 2))


@pytest.mark.parametrize("z", [6, 15, 24])
def test_a_body_is_found_from_one_box_and_ends_where_it_ends(z: int) -> None:
    body = spindle()
    found = run(stack((body, TISSUE)), start_of(body, z))
    assert torch.equal(found == 3, body)


def test_a_body_up_to_the_edges_of_the_volume() -> None:
    body = spindle(first=-10, last=40)
    assert torch.equal(run(stack((body, TISSUE)), start_of(body, 15)) == 3, body)


def test_a_sphere_ends_where_a_slice_has_less_than_half_of_the_one_before() -> None:
    z, y, x = np.mgrid[:DEPTH, :SIZE, :SIZE]
    ball = torch.from_numpy((z - 15) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 <= 12.4**2)
    areas = ball.sum(dim=(1, 2)).tolist()
    last = next(z for z in range(15, DEPTH) if areas[z + 1] < areas[z] / 2)
    expected = ball.clone()
    expected[last + 1 :] = expected[: 30 - last] = False  # slice 15 is the middle
    found = run(stack((ball, TISSUE)), start_of(ball, 15)) == 3
    assert torch.equal(found, expected)
    assert expected.sum() > 0.98 * ball.sum()


def test_it_stops_where_a_brighter_organ_follows() -> None:
    """The network would go on: the brighter organ lies right above and below."""
    body = spindle()
    above, below = torch.zeros_like(body), torch.zeros_like(body)
    above[25:], below[:6] = body[24], body[6]
    found = run(stack((body, TISSUE), (above | below, BRIGHTER)), start_of(body, 15))
    assert torch.equal(found == 3, body)


def test_it_does_not_leak_into_a_brighter_organ_beside() -> None:
    """What the network takes of the neighbour is within the margin of a pixel, on no slice more."""
    body, wall = spindle(), torch.zeros(DEPTH, SIZE, SIZE, dtype=torch.bool)
    wall[:, 10:50, 36:60] = True
    body &= ~wall
    found = run(stack((body, TISSUE), (wall, BRIGHTER)), start_of(body, 15)) == 3
    assert bool((found | ~body).all())
    assert not found[:, :, 37:].any()
    reached = torch.nonzero(found.any(dim=2).any(dim=1))[:, 0].tolist()
    assert reached == list(range(6, 25))
    # The band of intensities is what holds it: with an open one it floods the neighbour.
    flood = run(
        stack((body, TISSUE), (wall, BRIGHTER)),
        start_of(body, 15),
        settings=Propagation(spreads=100),
    )
    assert (flood == 3)[:, :, 37:].sum() > 1000


def test_a_part_beside_that_is_not_connected_is_left_out() -> None:
    body, other = spindle(), spindle(row=30, column=40, first=17, last=24)
    other &= ~torch.nn.functional.max_pool2d(body[:, None].float(), 3, 1, 1)[:, 0].bool()
    found = run(stack((body, TISSUE), (other, TISSUE)), start_of(body, 10), start_of(body, 10, 4))
    assert not (found[:10] == 4).any()
    assert torch.equal(found > 0, body)


def test_the_margin_is_half_of_the_distance_of_two_slices() -> None:
    """A body that moves by two pixels a slice: followed where slices are four pixels apart."""
    z, y, x = np.mgrid[:DEPTH, :SIZE, :SIZE]
    slanted = torch.from_numpy((abs(y - 30) < 10) & (abs(x - 2 * z) < 10) & (z >= 8) & (z <= 20))
    inferer = PromptedVolumeInferer(SIZE, propagation=FOLLOW)
    volume = slices_to_volume(stack((slanted, TISSUE)))[None]
    expected = slices_to_volume(slanted[:, None].to(torch.uint8) * 3)
    for spacing, followed in (((0.5, 2.0, 4.0), True), ((1.0, 1.0, 1.0), False)):
        found = inferer(volume, Threshold(), {}, starts=[start_of(slanted, 14)], spacing=spacing)
        assert torch.equal(found[0], expected) == followed


def test_limits_are_kept() -> None:
    body = spindle()
    found = run(stack((body, TISSUE)), start_of(body, 15, first=12, last=16)) == 3
    body[:12], body[17:] = False, False
    assert torch.equal(found, body)


def test_a_mask_starts_as_the_box_whose_answer_it_is() -> None:
    body = spindle()
    slices, start = stack((body, TISSUE)), start_of(body, 15)
    drawn = Start(3, 15, start.box, body[15], 0, DEPTH - 1)
    assert torch.equal(run(slices, drawn), run(slices, start))


def test_a_drawn_mask_stays_as_it_was_drawn() -> None:
    """Also where the network would say otherwise, and under another organ's answer."""
    body = spindle()
    drawn = body[15].clone()
    drawn[:30] = False
    start = Start(3, 15, tight_box(drawn), drawn, 0, DEPTH - 1)
    found = run(stack((body, TISSUE)), start, start_of(body, 15, organ=5))
    assert torch.equal(found[15] == 3, drawn)
    assert torch.equal(found[15] == 5, body[15] & ~drawn)


def test_several_organs_and_boxes_of_slices_in_one_volume() -> None:
    """All starts of a slice go through the network together, at most once each way."""
    left, right = spindle(column=14), spindle(column=45, first=10, last=28)
    lesion = torch.zeros_like(left)
    lesion[3, 50:60, 50:60] = True
    slices = stack((left, TISSUE), (right, 140), (lesion, TISSUE))
    label = slices_to_volume(lesion[:, None].to(torch.uint8) * 7)
    network, inferer = Threshold(), PromptedVolumeInferer(SIZE, propagation=FOLLOW)
    starts = [start_of(left, 15, 1), start_of(right, 20, 2)]
    found = inferer(
        slices_to_volume(slices)[None], network, prompts_from_label(label), starts=starts
    )
    expected = left.to(torch.uint8) + 2 * right.to(torch.uint8) + 7 * lesion.to(torch.uint8)
    assert torch.equal(found[0], slices_to_volume(expected[:, None]))
    assert network.calls <= 2 * DEPTH + 1


def test_a_start_that_the_network_answers_with_nothing() -> None:
    empty = torch.zeros(DEPTH, SIZE, SIZE, dtype=torch.bool)
    start = Start(3, 15, torch.tensor([5.0, 5, 20, 20]), None, 0, DEPTH - 1)
    assert not run(stack((empty, TISSUE)), start).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"margin": -1}, "margin=-1: give a number from 0"),
        ({"margin": float("inf")}, "margin=inf: give a number from 0 to 1000"),
        ({"tissue": 1.5}, "tissue=1.5: give a number from 0 to 1"),
        ({"overlap": float("nan")}, "overlap=nan"),
        ({"spreads": "wide"}, "spreads='wide': give a number from 0"),
        ({"spread": 2}, "{'spread': 2} is not understood: .* of margin, spreads, tissue, overlap"),
        (2, "2 is not understood"),
    ],
)
def test_settings_that_are_none(settings: Any, message: str) -> None:
    with pytest.raises(CobotError, match=f"propagation {message}"):
        Propagation.from_mapping(settings)


def test_settings_of_a_configuration() -> None:
    assert Propagation.from_mapping({"spreads": 2}) == Propagation(spreads=2)
    assert Propagation.from_mapping({}) == Propagation()


def test_a_start_outside_of_the_volume() -> None:
    body = spindle()
    with pytest.raises(CobotError, match=r"organ 3 on slice 15 of 0 to 30, but slices are 0 to 29"):
        run(stack((body, TISSUE)), start_of(body, 15, last=30))


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "LAI", "SRA", "PIL", "ISR"[::-1]])
@pytest.mark.parametrize("kind", ["box", "mask"])
def test_any_order_of_axes(tmp_path: Path, orientation: str, kind: str) -> None:
    """A file of prompts in the source frame gives the organ in the source frame."""
    body = spindle().numpy()
    axis = next(a for a, code in enumerate(orientation) if code in "SI")
    truth = np.moveaxis(body, 0, axis)  # the slices are as they are, along the file's axis
    image = np.where(truth, TISSUE, 40).astype(np.int16)
    affine = oblique_affine(orientation)
    write_nifti(tmp_path / "a.nii.gz", image, affine)
    entry: dict[str, object]
    if kind == "box":
        i, j = (np.flatnonzero(body[15].any(axis=k)) for k in (1, 0))
        box = [int(i[0]), int(j[0]), int(i[-1]) + 1, int(j[-1]) + 1]
        entry = {"boxes": [{"organ": "o", "slice": 15, "box": box, "propagate": True}]}
    else:
        drawn = np.where(np.arange(DEPTH)[:, None, None] == 15, body, False)
        write_nifti(tmp_path / "m.nii.gz", np.moveaxis(drawn, 0, axis).astype(np.uint8), affine)
        entry = {"masks": [{"organ": "o", "mask": "m.nii.gz", "label": 1}]}
    (tmp_path / "prompts.json").write_text(
        json.dumps(
            {
                "schema": "monai_cobot/prompts/2",
                "frame": "source",
                "units": "voxel edges",
                "cases": {"a": entry},
            }
        )
    )
    case = {"case": "a", "patient": "a", "image": str(tmp_path / "a.nii.gz")}
    prompts = FileBoxes(tmp_path / "prompts.json", {"o": 9})
    prompts.check([case])
    item = volume_transforms(Preprocessing("CT", (0, 255)))(case)
    volume, _, _, ids = prepare_volume(VolumeCollate(prompts)([item]), torch.device("cpu"))
    found = PromptedVolumeInferer(SIZE, propagation=FOLLOW)(volume, Threshold(), **ids)
    written = write_label_like(found[0, 0], case["image"], tmp_path / "a_seg.nii.gz")
    assert np.array_equal(np.asarray(nib.load(written).dataobj) == 9, truth)
