"""Many prompts of many images in one pass, and clicks where the answer was wrong."""

from __future__ import annotations

import pytest
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from monai_cobot.pretraining.prompting import (
    Clicks,
    click_errors,
    decode_prompts,
    joined,
    points_inside,
)
from monai_cobot.sam import build_random
from tests.tiny_sam import TINY

# Batches of another size take other matrix products: single precision, sums of some hundred terms.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def sam() -> Sam:
    return build_random(TINY, seed=1)


def own_decoder(
    sam: Sam, embeddings: Tensor, boxes: Tensor | None, clicks: Clicks | None, masks: Tensor | None
) -> tuple[Tensor, Tensor]:
    """segment-anything's prompts and decoder for the prompts of one image, (1, C, h, w)."""
    sparse, dense = sam.prompt_encoder(points=clicks, boxes=boxes, masks=masks)
    answers = [
        sam.mask_decoder(
            image_embeddings=embeddings,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=several,
        )
        for several in (False, True)
    ]
    return torch.cat([a[0] for a in answers], 1), torch.cat([a[1] for a in answers], 1)


@pytest.mark.parametrize("counts", [(1, 3), (2, 2), (3, 1)])
@pytest.mark.parametrize(
    "kinds", [("boxes",), ("clicks",), ("boxes", "clicks"), ("boxes", "masks"),
              ("boxes", "clicks", "masks"), ("clicks", "masks")], ids="+".join
)  # fmt: skip
def test_decode_prompts_is_the_decoder_called_image_by_image(
    sam: Sam, counts: tuple[int, int], kinds: tuple[str, ...]
) -> None:
    generator = torch.Generator().manual_seed(sum(counts) + counts[0])
    number = sum(counts)
    images = torch.randn(2, 3, 64, 64, generator=generator)
    corners = torch.rand(number, 2, 2, generator=generator).mul(64).sort(1).values
    boxes = corners.flatten(1) if "boxes" in kinds else None
    clicks = None
    if "clicks" in kinds:
        points = torch.rand(number, 2, 2, generator=generator) * 64
        clicks = (points, torch.randint(0, 2, (number, 2), generator=generator).float())
    masks = torch.randn(number, 1, 16, 16, generator=generator) if "masks" in kinds else None
    with torch.no_grad():
        embeddings = sam.image_encoder(images)
        owner = torch.arange(2).repeat_interleave(torch.tensor(counts))
        together = decode_prompts(sam, embeddings[owner], boxes, clicks, masks)
        expected = []
        for image in range(2):
            mine = owner == image
            expected.append(
                own_decoder(
                    sam,
                    embeddings[image : image + 1],
                    None if boxes is None else boxes[mine],
                    None if clicks is None else (clicks[0][mine], clicks[1][mine]),
                    None if masks is None else masks[mine],
                )
            )
    for found, parts in zip(together, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(found, torch.cat(parts), rtol=TOLERANCE, atol=TOLERANCE)
    assert together[0].shape == (number, 4, 16, 16)
    assert together[1].shape == (number, 4)
    assert not torch.allclose(together[0][0], together[0][-1], atol=1e-2)


def test_gradients_reach_the_image_of_each_prompt_only(sam: Sam) -> None:
    embeddings = torch.randn(3, 16, 4, 4, requires_grad=True)
    boxes = torch.tensor([[4.0, 4, 30, 30]]).repeat(3, 1)
    logits, _ = decode_prompts(sam, embeddings, boxes)
    logits[1].sum().backward()
    assert embeddings.grad is not None
    assert embeddings.grad.flatten(1).abs().amax(1).gt(0).tolist() == [False, True, False]


def test_points_are_drawn_uniformly_inside_of_each_mask() -> None:
    torch.manual_seed(0)
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    masks[0, 2, 5] = 1
    masks[1, 1:3, 4:8] = 1
    counts = torch.zeros(8, 8)
    for _ in range(800):
        points, labels = points_inside(masks)
        assert points.shape == (2, 1, 2)
        assert points[0].tolist() == [[5, 2]]
        assert labels.tolist() == [[1], [1]]
        x, y = points[1, 0].long().tolist()
        counts[y, x] += 1
    assert (counts[masks[1] == 0] == 0).all()
    assert (counts[masks[1] == 1] - 100).abs().max() < 50  # five deviations of a binomial


def test_clicks_land_in_the_error_with_the_label_of_the_truth() -> None:
    torch.manual_seed(0)
    truth = torch.zeros(4, 8, 8, dtype=torch.uint8)
    truth[:, 3:5, 1:7] = 1  # wide, so that rows and columns cannot be taken for one another
    logits = torch.where(truth.bool(), 5.0, -5.0)
    logits[0, 3, 4] = -1  # one pixel missed
    logits[1, 0, 7] = 1  # one too many
    logits[2, 3:5, 1:7] = -1  # all missed, and as many outside
    logits[2, 6:8, :6] = 1  # logits[3] is faultless
    labels_of_two = set()
    for _ in range(40):
        points, labels = click_errors(logits, truth)
        assert points.shape == (4, 1, 2)
        assert labels.shape == (4, 1)
        assert (points[0].tolist(), labels[0].tolist()) == ([[4, 3]], [1])
        assert (points[1].tolist(), labels[1].tolist()) == ([[7, 0]], [0])
        for index in (2, 3):
            x, y = points[index, 0].long().tolist()
            assert labels[index].item() == truth[index, y, x].item()
            assert index == 3 or (logits[2, y, x] > 0) != truth[2, y, x].bool()
        assert labels[3].item() == 1
        labels_of_two.add(labels[2].item())
    assert labels_of_two == {0.0, 1.0}


def test_clicks_are_joined_prompt_by_prompt() -> None:
    first = (torch.zeros(2, 1, 2), torch.ones(2, 1))
    more = (torch.ones(2, 1, 2), torch.zeros(2, 1))
    assert joined(None, first) is first
    points, labels = joined(first, more)
    assert points[..., 0].tolist() == [[0, 1], [0, 1]]
    assert labels.tolist() == [[1, 0], [1, 0]]
