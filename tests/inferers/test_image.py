from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.inferers import PromptedImageInferer, PromptedVolumeInferer
from monai_cobot.transforms import BoxJitter, SAMFrame

SIZE, HEIGHT, WIDTH = 64, 24, 32
BOXES = torch.tensor([[3.0, 2, 10, 9], [5, 4, 30, 20], [0, 0, 32, 24], [5, 4, 6, 5]])
PICTURE = torch.arange(3 * HEIGHT * WIDTH).reshape(1, 3, HEIGHT, WIDTH).remainder(251).byte()


class BoxFiller:
    """A network whose logits are +1 in the box and -1 around it; it keeps what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, image: torch.Tensor, boxes: list[torch.Tensor]) -> torch.Tensor:
        self.calls.append((image, boxes[0]))
        logits = -torch.ones(len(boxes[0]), 1, SIZE, SIZE)
        for plane, (x0, y0, x1, y1) in zip(logits, boxes[0].round().int().tolist(), strict=True):
            plane[0, y0:y1, x0:x1] = 1
        return logits


def filled(boxes: torch.Tensor) -> torch.Tensor:
    masks = torch.zeros(len(boxes), HEIGHT, WIDTH, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = 1
    return masks


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_a_mask_a_box_in_order_whatever_the_chunk(chunk: int) -> None:
    network = BoxFiller()
    masks = PromptedImageInferer(SIZE, chunk=chunk)(PICTURE, network, BOXES, case="a")
    assert masks.dtype == torch.uint8
    assert torch.equal(masks, filled(BOXES))  # boxes overlap, masks do too
    assert [len(boxes) for _, boxes in network.calls] == {1: [1] * 4, 3: [3, 1], 64: [4]}[chunk]
    expected = SAMFrame(HEIGHT, WIDTH, SIZE).image_to_model(PICTURE[0])[None]
    assert all(torch.equal(image, expected) for image, _ in network.calls)


class Rating(BoxFiller):
    """Embeds once, and rates each mask by the width of its box."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded = 0

    def embed(self, image):
        self.embedded += 1

        def box_answers(boxes):
            widths = boxes[0][:, 2] - boxes[0][:, 0]
            return SimpleNamespace(logits=self(image, boxes), quality=widths / SIZE)

        return SimpleNamespace(box_answers=box_answers)


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_the_encoder_runs_once_and_quality_is_in_order(chunk: int) -> None:
    network, inferer = Rating(), PromptedImageInferer(SIZE, chunk=chunk)
    masks = inferer(PICTURE, network, BOXES)
    assert network.embedded == 1
    assert torch.equal(masks, filled(BOXES))
    assert inferer.quality.tolist() == ((BOXES[:, 2] - BOXES[:, 0]) / WIDTH).tolist()
    inferer(PICTURE, BoxFiller(), BOXES)  # says nothing of its masks
    assert inferer.quality.isnan().tolist() == [True] * 4


def test_logits_are_those_behind_the_masks() -> None:
    logits = PromptedImageInferer(SIZE, logits=True)(PICTURE, BoxFiller(), BOXES)
    assert logits.dtype == torch.float32
    assert torch.equal((logits > 0).byte(), filled(BOXES))
    assert logits.unique().tolist() == [-1, 1]  # the network's, resized by a whole factor


def test_without_boxes_the_network_rests() -> None:
    network = BoxFiller()
    masks = PromptedImageInferer(SIZE)(PICTURE, network, BOXES[:0])
    assert masks.shape == (0, HEIGHT, WIDTH)
    assert network.calls == []


def test_jitter_is_known_from_seed_and_case() -> None:
    def boxes(seed: int, case: str) -> torch.Tensor:
        inferer = PromptedImageInferer(SIZE, BoxJitter("symmetric", 50, SIZE), seed, chunk=2)
        return inferer.jittered_boxes(BOXES, (HEIGHT, WIDTH), case)

    first = boxes(1, "a")
    assert torch.equal(first, boxes(1, "a"))
    assert not torch.equal(first, boxes(2, "a"))
    assert not torch.equal(first, boxes(1, "b"))
    assert not torch.equal(first, BOXES)


def test_jittered_boxes_are_those_the_network_gets() -> None:
    network = BoxFiller()
    inferer = PromptedImageInferer(SIZE, BoxJitter("outward", 50, SIZE), seed=3, chunk=3)
    inferer(PICTURE, network, BOXES, case="a")
    used = inferer.jittered_boxes(BOXES, (HEIGHT, WIDTH), "a")
    given = torch.cat([boxes for _, boxes in network.calls])
    torch.testing.assert_close(SAMFrame(HEIGHT, WIDTH, SIZE).boxes_to_model(used), given)


def test_a_picture_is_jittered_as_slice_0_of_a_volume() -> None:
    jitter = BoxJitter("outward", 50, SIZE)
    picture = PromptedImageInferer(SIZE, jitter, 5).jittered_boxes(BOXES, (HEIGHT, WIDTH), "a")
    prompts = {0: (BOXES, torch.ones(4, dtype=torch.int64))}
    volume = PromptedVolumeInferer(SIZE, jitter, 5).jittered_prompts(prompts, (HEIGHT, WIDTH), "a")
    assert torch.equal(volume[0][0], picture)


@pytest.mark.parametrize("jitter", [None, BoxJitter("outward", 0, SIZE)])
def test_exact_boxes_are_not_touched(jitter) -> None:
    assert PromptedImageInferer(SIZE, jitter).jittered_boxes(BOXES, (24, 32), "a") is BOXES


def test_what_cannot_be_run_is_named() -> None:
    with pytest.raises(CobotError, match=r"got \(2, 3, 24, 32\): give pictures one at a time"):
        PromptedImageInferer(SIZE)(PICTURE.repeat(2, 1, 1, 1), BoxFiller(), BOXES)
    with pytest.raises(CobotError, match=r"case a: boxes \(4, 3\) are not \(P, 4\)"):
        PromptedImageInferer(SIZE)(PICTURE, BoxFiller(), BOXES[:, :3], case="a")


@pytest.mark.parametrize("bad", [0, "x", 2.5, True])
def test_a_chunk_that_is_none(bad: object) -> None:
    with pytest.raises(CobotError, match=f"prompt_chunk={bad!r}: give a whole number of at least"):
        PromptedImageInferer(SIZE, chunk=bad)
