"""Samples whose images and masks are made on the device are the samples."""

from __future__ import annotations

import pytest
import torch

from monai_cobot.data.draws import collate_slices
from monai_cobot.errors import CobotError
from monai_cobot.inferers import prepare_slices
from monai_cobot.transforms import FoundBoxes, SAMFrame, boxes_from_label, slice_transforms
from monai_cobot.transforms.mask_runs import MaskRuns
from monai_cobot.transforms.model_masks import LabelMasks, ModelMasks

CPU = torch.device("cpu")
LABELS = [1, 2, 5, 9]


def volume_slice(rows: int, columns: int) -> dict[str, object]:
    """A slice with three organs, one of them thinner than a pixel of the model."""
    generator = torch.Generator().manual_seed(rows)
    label = torch.zeros(1, rows, columns, dtype=torch.uint8)
    label[0, 10:40, 5:30] = 1
    label[0, 50:90, 40:80] = 5
    label[0, 61, 53] = 9
    image = torch.randint(0, 256, (1, rows, columns), dtype=torch.uint8, generator=generator)
    return {"image": image, "label": label, "case": "a", "slice": 3}


def picture() -> dict[str, object]:
    generator = torch.Generator().manual_seed(7)
    masks = (torch.rand(11, 70, 90, generator=generator) > 0.8).to(torch.uint8)
    image = torch.randint(0, 256, (3, 70, 90), dtype=torch.uint8, generator=generator)
    runs = MaskRuns((mask.numpy() for mask in masks), (70, 90))
    return {"image": image, "masks": runs, "organs": torch.tensor(LABELS * 3)[:11], "case": "b"}


@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("organs", [None, LABELS])
@pytest.mark.parametrize(
    "samples",
    [(volume_slice(100, 120), volume_slice(120, 100)), (picture(),)],
    ids=["volumes", "pictures"],
)
def test_the_same_as_at_once(samples: tuple, organs: list[int] | None, most: int | None) -> None:
    """Bit for bit: image, boxes, targets, organ targets; slices of two shapes in a batch."""
    prepared = []
    for deferred in (False, True):
        transform = slice_transforms(
            64, {"mode": "outward", "size": 50}, most, organs, deferred=deferred
        )
        transform.set_random_state(seed=3)
        batch = collate_slices([transform(dict(sample)) for sample in samples])
        image, label, arguments, prompts = prepare_slices(batch, CPU)
        assert (label, arguments) == (None, ())
        prepared.append((image, prompts))
    (image, prompts), (later, found) = prepared
    assert torch.equal(later, image)
    pixels = found.pop("pixels")
    assert all(map(torch.equal, pixels, [sample["image"] for sample in samples]))
    assert found.keys() == prompts.keys()
    for key in ("boxes", "targets"):
        for one, other in zip(prompts[key], found[key], strict=True):
            assert other.shape == tuple(one.shape)
            assert torch.equal(torch.stack(list(other)), torch.stack(list(one)))
    if organs:
        assert torch.equal(found["organ_targets"], prompts["organ_targets"])
        assert bool((found["organ_targets"].flatten(2).amax(dim=2) == 1).any())


@pytest.mark.parametrize("most", [None, 2])
def test_boxes_that_were_found_hold_for_their_label_alone(most: int | None) -> None:
    """Taken as they are for the label they were found in; searched again in any other."""
    transform = slice_transforms(64, None, most, deferred=True)
    sample = volume_slice(100, 120)
    label = sample["label"]
    boxes, organs = boxes_from_label(label[0])
    found = FoundBoxes(label, boxes + 1, organs)  # not what a search would find
    transform.set_random_state(seed=3)
    expected = transform(dict(sample))
    transform.set_random_state(seed=3)
    taken = transform({**sample, "found_boxes": found})
    frame = SAMFrame(100, 120, 64)
    moved = frame.boxes_to_model(frame.boxes_to_slice(expected["boxes"]) + 1)
    torch.testing.assert_close(taken["boxes"], moved)
    assert torch.equal(taken["organs"], expected["organs"])
    assert torch.equal(taken["target"].stacked(), expected["target"].stacked())
    assert "found_boxes" not in taken
    flipped = {**sample, "label": label.flip(2)}
    transform.set_random_state(seed=3)
    expected = transform(dict(flipped))
    transform.set_random_state(seed=3)
    assert torch.equal(transform({**flipped, "found_boxes": found})["boxes"], expected["boxes"])


def test_an_organ_smaller_than_a_pixel_is_there() -> None:
    sample = slice_transforms(16, None, None, LABELS, deferred=True)(volume_slice(128, 128))
    masks = sample["target"].stacked()
    assert sample["organs"].tolist() == [1, 5, 9]
    assert int(masks[2].sum()) == 1
    assert torch.equal(masks, torch.stack(list(sample["target"])))
    assert sample["organ_target"].stacked()[1].sum() == 0  # organ 2 is nowhere


def test_masks_of_a_label() -> None:
    label = volume_slice(100, 120)["label"][0]
    masks = LabelMasks(label)
    assert masks.shape == (3, 100, 120)
    assert masks.boxes.tolist() == [[5, 10, 30, 40], [40, 50, 80, 90], [53, 61, 54, 62]]
    assert torch.equal(masks[torch.tensor([1])][0], (label == 5).byte())
    assert torch.equal(masks[1:][0], (label == 5).byte())
    assert [part.shape[0] for part in masks.parts()] == [1, 1, 1]


@pytest.mark.parametrize("organ", [300, -212])
def test_an_organ_that_is_another_one_in_bytes(organ: int) -> None:
    label = torch.full((4, 4), 44, dtype=torch.uint8)
    with pytest.raises(CobotError, match=f"organ {organ} is no value of a label of torch.uint8"):
        LabelMasks(label, torch.tensor([organ]))
    for dtype in (torch.int32, torch.float32):  # as MONAI's readers give a label
        assert LabelMasks(label.to(dtype), torch.tensor([organ]))[0].sum() == 0
        assert LabelMasks(label.to(dtype))[0].sum() == 16


@pytest.mark.parametrize("kind", ["label", "runs", "tensor"])
@pytest.mark.parametrize("count", [0, 3])
def test_masks_are_made_on_the_device(kind: str, count: int) -> None:
    """On ``meta``, which computes nothing: whatever looked at a mask there would fail."""
    label = volume_slice(100, 120)["label"][0]
    organs = torch.tensor([1, 5, 9])[:count]
    masks = LabelMasks(label, organs)
    if kind == "runs":
        masks = MaskRuns((mask.numpy() for mask in masks), (100, 120))
    elif kind == "tensor":
        masks = torch.zeros(count, 100, 120, dtype=torch.uint8)
    moved = ModelMasks(masks, SAMFrame(100, 120, 128)).to(torch.device("meta"))
    stacked = moved.stacked()
    assert stacked.device.type == "meta"
    assert stacked.dtype == torch.uint8
    assert stacked.shape == (count, 128, 128)
    assert [mask.device.type for mask in moved] == ["meta"] * count
    assert [mask.device.type for mask in moved[1:]] == ["meta"] * max(count - 1, 0)
