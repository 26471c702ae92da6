"""Many prompts of many images in one pass of the decoder."""

from __future__ import annotations

import pytest
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from monai_cobot.sam import Clicks, build_random, decode_prompts
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
