"""The model frame against segment-anything's own transforms."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch.nn import functional as F

from monai_cobot.errors import CobotError
from monai_cobot.transforms import SAMFrame, masks_from_label
from monai_cobot.transforms.frame import PIXEL_MEAN, PIXEL_STD

SIZES = [
    (512, 512, 256),
    (101, 122, 256),
    (122, 101, 64),
    (64, 64, 64),
    (3, 300, 64),
    (37, 20, 1024),
]
FLOAT32_STEPS = 1e-5  # order of operations differs: a few float32 roundings of values below 10
GREY_LEVEL = 1 / min(PIXEL_STD) + FLOAT32_STEPS  # they round to bytes after each of two passes
PIXELS_FLOAT32 = 1e-4  # the same for coordinates below 1024

frames = pytest.mark.parametrize(("height", "width", "size"), SIZES)


def stock_sam(size: int) -> SimpleNamespace:
    """As much of a Sam as its pre- and postprocessing read."""
    return SimpleNamespace(
        image_encoder=SimpleNamespace(img_size=size),
        pixel_mean=torch.tensor(PIXEL_MEAN).view(3, 1, 1),
        pixel_std=torch.tensor(PIXEL_STD).view(3, 1, 1),
    )


@frames
def test_resized_is_segment_anythings_shape(height: int, width: int, size: int) -> None:
    theirs = ResizeLongestSide.get_preprocess_shape(height, width, size)
    assert SAMFrame(height, width, size).resized == tuple(max(1, side) for side in theirs)


@frames
def test_image_is_what_segment_anything_makes(height: int, width: int, size: int) -> None:
    image = torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(0))
    image = image.to(torch.uint8)
    resized = ResizeLongestSide(size).apply_image(image.permute(1, 2, 0).numpy())
    theirs = Sam.preprocess(stock_sam(size), torch.as_tensor(resized).permute(2, 0, 1))
    ours = SAMFrame(height, width, size).image_to_model(image)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=0, atol=GREY_LEVEL)


def test_grey_is_repeated_and_padding_is_zero_after_normalisation() -> None:
    frame = SAMFrame(10, 20, 20)
    grey = torch.full((1, 10, 20), 7, dtype=torch.uint8)
    model = frame.image_to_model(grey)
    assert torch.equal(model, frame.image_to_model(grey.expand(3, 10, 20)))
    assert torch.equal(model[:, 10:], torch.zeros(3, 10, 20))
    expected = torch.tensor([(7 - m) / s for m, s in zip(PIXEL_MEAN, PIXEL_STD, strict=True)])
    torch.testing.assert_close(model[:, 4, 4], expected, rtol=0, atol=FLOAT32_STEPS)


@frames
def test_boxes_scale_as_segment_anythings_and_come_back(height: int, width: int, size: int) -> None:
    frame = SAMFrame(height, width, size)
    boxes = torch.tensor(
        [[0, 0, width, height], [1, 1, 2, 3], [width - 3, 0, width - 1, 2]]
    ).float()
    theirs = ResizeLongestSide(size).apply_boxes_torch(boxes, (height, width))
    model = frame.boxes_to_model(boxes)
    torch.testing.assert_close(model, theirs, rtol=0, atol=PIXELS_FLOAT32)
    torch.testing.assert_close(frame.boxes_to_slice(model), boxes, rtol=0, atol=PIXELS_FLOAT32)
    assert model[0].tolist() == [0, 0, frame.resized[1], frame.resized[0]]


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_boxes_of_a_ct_slice_come_back_bit_for_bit(size: int) -> None:
    corners = torch.randint(0, 512, (1000, 4), generator=torch.Generator().manual_seed(1)).float()
    frame = SAMFrame(512, 512, size)
    assert torch.equal(frame.boxes_to_slice(frame.boxes_to_model(corners)), corners)


@frames
def test_label_is_torchs_nearest_exact(height: int, width: int, size: int) -> None:
    generator = torch.Generator().manual_seed(2)
    label = torch.randint(0, 14, (height, width), dtype=torch.uint8, generator=generator)
    frame = SAMFrame(height, width, size)
    h, w = frame.resized
    model = frame.label_to_model(label)
    theirs = F.interpolate(label[None, None], (h, w), mode="nearest-exact")[0, 0]
    assert torch.equal(model[:h, :w], theirs)
    assert int(model[h:].sum()) == int(model[:, w:].sum()) == 0


def test_masks_are_one_organ_each_and_lose_none() -> None:
    label = torch.zeros(8, 8, dtype=torch.uint8)
    label[4:, 4:] = 9
    label[0, 2] = 3  # halving the size samples pixel centres 1, 3, 5, 7: pixel (0, 2) is missed
    masks = SAMFrame(8, 8, 4).masks_to_model(masks_from_label(label)[0])
    assert masks.dtype == torch.uint8
    assert torch.nonzero(masks[0]).tolist() == [[0, 1]]
    assert torch.nonzero(masks[1]).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]


@frames
def test_masks_are_what_the_label_gives_one_by_one(height: int, width: int, size: int) -> None:
    """A label has no overlaps, so its masks can be put together again and compared with it."""
    generator = torch.Generator().manual_seed(4)
    label = torch.randint(0, 3, (height, width), dtype=torch.uint8, generator=generator)
    frame = SAMFrame(height, width, size)
    masks, organs = masks_from_label(label)
    together = (frame.masks_to_model(masks) * organs.to(torch.uint8)[:, None, None]).sum(dim=0)
    assert torch.equal(together.to(torch.uint8), frame.label_to_model(label))


def test_an_empty_mask_stays_empty() -> None:
    masks = torch.zeros(1, 8, 8, dtype=torch.uint8)
    assert int(SAMFrame(8, 8, 4).masks_to_model(masks).sum()) == 0
    assert SAMFrame(8, 8, 4).masks_to_model(masks[:0]).shape == (0, 4, 4)


@frames
def test_logits_come_back_as_segment_anything_does(height: int, width: int, size: int) -> None:
    logits = torch.randn(2, size, size, generator=torch.Generator().manual_seed(3))
    frame = SAMFrame(height, width, size)
    theirs = Sam.postprocess_masks(stock_sam(size), logits[None], frame.resized, (height, width))[0]
    torch.testing.assert_close(frame.logits_to_slice(logits), theirs, rtol=0, atol=FLOAT32_STEPS)


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(CobotError, match=r"expected an image \(1 or 3, 8, 9\), got \(1, 9, 8\)"):
        SAMFrame(8, 9, 16).image_to_model(torch.zeros(1, 9, 8))


def test_a_frame_without_pixels_is_refused() -> None:
    with pytest.raises(CobotError, match="at least 1 pixel"):
        SAMFrame(8, 9, 0)


@pytest.mark.parametrize("size", [(7, 7), (7, 12), (12, 7), (13, 5), (16, 16), (1, 9), (3, 100)])
@pytest.mark.parametrize("image_size", [5, 8, 12, 13, 16, 31, 100])
def test_no_pixel_is_lost_where_all_are_sampled(size: tuple[int, int], image_size: int) -> None:
    """Then a mask of a single pixel is found without a look at the others."""
    frame = SAMFrame(*size, image_size)
    numbers = torch.arange(1, size[0] * size[1] + 1).reshape(size)
    found = set(frame.label_to_model(numbers).unique().tolist()) - {0}
    assert frame.samples_all == (len(found) == numbers.numel())
