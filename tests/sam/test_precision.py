"""bfloat16: what is stored and exchanged in which type, and sums that bfloat16 could not hold."""

from __future__ import annotations

import pytest
import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn

from monai_cobot.losses import OrganLoss
from monai_cobot.sam import CobotSAM, LossNetwork, SAMSize, build_adapted_sam, tiled_attention
from monai_cobot.sam.tiled_attention import TiledAttention

BOXES = [torch.tensor([[4.0, 6, 30, 40], [20, 20, 60, 50]])]
# bfloat16 has 8 bits, a rounding error of 2^-9; a few of them on the way to an output.
ROUNDED = 4 * 2**-9


def build(method: str = "lora", **settings: object) -> CobotSAM:
    return build_adapted_sam(
        "tiny", "random", 64, method, precision="bf16", prompts="both", organs=2, **settings
    ).train()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("method", ["lora", "adaptformer", "attention_tuning", "full"])
def test_frozen_weights_are_stored_in_bfloat16_and_no_others(
    tiny_size: SAMSize, method: str
) -> None:
    model, stored = build(method), 0
    for module in model.sam.image_encoder.modules():
        for parameter in module.parameters(recurse=False):
            product = isinstance(module, nn.Linear | nn.Conv2d)
            frozen = product and not parameter.requires_grad
            assert parameter.dtype == (torch.bfloat16 if frozen else torch.float32)
            stored += frozen
    assert (stored == 0) == (method == "full")
    for part in (model.sam.prompt_encoder, model.sam.mask_decoder, model.organ_prompts):
        assert {parameter.dtype for parameter in part.parameters()} == {torch.float32}
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}


@pytest.mark.parametrize("chunk", [1, 16])
def test_answers_loss_and_gradients_are_in_single_precision(
    tiny_size: SAMSize, image: Tensor, chunk: int
) -> None:
    model = build(orchestrate=True)
    embedded = model.embed(image)
    answers = [*embedded.box_answers(BOXES), *embedded.organ_answers(), model(image, BOXES)]
    answers += [value for found in embedded.found_organs() for value in found[1:]]
    assert {answer.dtype for answer in answers} == {torch.float32}
    seen = []

    def mask_loss(logits: Tensor, truths: Tensor) -> Tensor:
        seen.append((logits.dtype, truths.dtype, torch.is_autocast_enabled("cpu")))
        return DiceCELoss(sigmoid=True)(logits, truths)

    masks = [torch.ones(2, 64, 64, dtype=torch.uint8)]
    network = LossNetwork(model, mask_loss, OrganLoss(mask_loss), chunk=chunk)
    loss = network(image, BOXES, masks, torch.stack(masks))
    assert set(seen) == {(torch.float32, torch.float32, False)}
    assert loss.dtype == torch.float32
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
    assert gradients
    assert {gradient.dtype for gradient in gradients} == {torch.float32}


def tiled(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """One head over a square without windows; q, k, v (H, W, d)."""
    qkv = torch.stack([q, k, v], dim=2)[None, :, :, :, None]
    filler = qkv.new_zeros(3, 1, q.shape[-1])
    return TiledAttention.apply(qkv, filler, rows, columns, 1.0)[0, :, :, 0]


def reference(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The formula with all N x N scores, in double precision."""
    q, k, v, rows, columns = (each.detach().double() for each in (q, k, v, rows, columns))
    scores = torch.einsum("hwd,klD->hwkldD", q, k).diagonal(dim1=-2, dim2=-1).sum(-1)
    scores = scores + torch.einsum("hwd,hkd->hwk", q, rows)[..., None]
    scores = scores + torch.einsum("hwd,wld->hwl", q, columns)[..., None, :]
    p = torch.softmax(scores.flatten(2), dim=-1)
    return torch.einsum("hwn,nd->hwd", p, v.flatten(0, 1))


def test_scores_are_added_and_normalised_in_single_precision() -> None:
    """All keys share a score of 128 from the rows, where bfloat16 knows whole numbers alone."""
    side, features = 8, 4
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.rand(side, side, features, generator=generator) for _ in range(3))
    q[..., 0] = 1
    k[..., 0] = 0
    rows = torch.zeros(side, side, features)
    rows[..., 0] = 128  # the same for all keys: the softmax does not see it
    columns = torch.zeros(side, side, features)
    inputs = [each.to(torch.bfloat16) for each in (q, k, v, rows, columns)]
    expected = reference(*inputs)
    uniform = inputs[2].double().flatten(0, 1).mean(0)
    found = tiled(*inputs)
    assert found.dtype == torch.bfloat16
    error = (found.double() - expected).abs().max()
    assert error < ROUNDED
    # What is lost in bfloat16 is clearly more than that.
    assert (expected - uniform).abs().max() > 4 * ROUNDED


@pytest.mark.parametrize("of", ["k", "v"])
def test_gradients_of_many_tiles_are_summed_in_single_precision(
    monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """A tile a query: from the 256th equal term on a sum in bfloat16 would not grow any more."""
    side, features = 32, 4
    monkeypatch.setattr(tiled_attention, "TILE", side * side)
    q = torch.zeros(side, side, features)
    q[..., 0] = 0 if of == "v" else 1  # the same for all queries, so that their terms are equal
    generator = torch.Generator().manual_seed(0)
    k = torch.zeros(side, side, features)
    v = torch.rand(side, side, features, generator=generator)
    tables = [torch.zeros(side, side, features, dtype=torch.bfloat16) for _ in range(2)]
    leaves = [each.to(torch.bfloat16).requires_grad_() for each in (q, k, v)]
    tiled(*leaves, *tables).sum().backward()
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    p = torch.softmax(exact[0].flatten(0, 1) @ exact[1].flatten(0, 1).T, dim=-1)
    (p @ exact[2].flatten(0, 1)).sum().backward()
    place = "qkv".index(of)
    found, expected = leaves[place].grad.double(), exact[place].grad
    assert (found - expected).abs().max() < ROUNDED * expected.abs().max()
