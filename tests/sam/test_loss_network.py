"""The network with its loss: the same in one batch of prompts or many, in the memory of one."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn

from monai_cobot.errors import CobotError
from monai_cobot.losses import OrganLoss
from monai_cobot.sam import CobotSAM, LossNetwork, SAMSize, build_adapted_sam

# The same sums in another order and in batches of another size, in single precision.
TOLERANCE = 2e-5
# Of the organ prompts in double precision, where another order of sums leaves no doubt.
EXACT = 1e-10
MASK_LOSS = DiceCELoss(sigmoid=True, squared_pred=True)


def build(prompts: str = "box", organs: int = 2) -> CobotSAM:
    model = build_adapted_sam(
        "tiny", "random", 64, "lora", orchestrate=True, prompts=prompts, organs=organs
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # LoRA's `up` is zero at the start, and nothing would depend on `down`
        for parameter in model.adapter_state().values():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model.train()


def batch(*counts: int) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Images, and so many boxes and masks for each of them."""
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(len(counts), 3, 64, 64, generator=generator)
    corners = [torch.rand(n, 2, 2, generator=generator).sort(dim=1).values * 63 for n in counts]
    masks = [(torch.rand(n, 64, 64, generator=generator) > 0.6).to(torch.uint8) for n in counts]
    return images, [each.flatten(1) for each in corners], masks


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_same(
    first: dict[str, Tensor], second: dict[str, Tensor], tolerance: float = TOLERANCE
) -> None:
    assert first.keys() == second.keys()
    assert any(name.startswith("orchestrator") for name in first)
    largest = max(gradient.norm() for gradient in first.values())
    for name, gradient in first.items():
        # Some gradients are zero but for rounding: a bias of keys moves all scores alike.
        size = max(gradient.norm(), 1e-2 * largest)
        assert (gradient - second[name]).norm() < tolerance * size, name


@pytest.mark.parametrize("chunk", [1, 3, 5, 8])
def test_chunks_change_nothing(tiny_size: SAMSize, chunk: int) -> None:
    """Against the loss of all masks at once, as it was before there were chunks."""
    model, (images, boxes, masks) = build(), batch(5, 0, 3)
    truths = torch.cat(masks)[:, None].float()
    expected = MASK_LOSS(model(images, boxes), truths)
    wanted = gradients(model, expected)
    loss = LossNetwork(model, MASK_LOSS, chunk=chunk)(images, boxes, masks)
    torch.testing.assert_close(loss, expected, rtol=TOLERANCE, atol=0)
    assert_same(wanted, gradients(model, loss))


def test_organ_prompts_on_the_same_embedding(tiny_size: SAMSize) -> None:
    model, (images, boxes, masks) = build("both"), batch(2, 1)
    organs = torch.zeros(2, 2, 64, 64, dtype=torch.uint8)
    organs[0, 1, 10:30, 10:40] = 1
    organ_loss = OrganLoss(MASK_LOSS)
    answers = model.embed(images).organ_answers()
    truths = torch.cat(masks)[:, None].float()
    expected = MASK_LOSS(model(images, boxes), truths) + organ_loss(*answers, organs.float())
    wanted = gradients(model, expected)
    with counted(model.sam.image_encoder) as calls:
        loss = LossNetwork(model, MASK_LOSS, organ_loss, chunk=2)(images, boxes, masks, organs)
    assert calls == [2]  # once, both images
    torch.testing.assert_close(loss, expected, rtol=TOLERANCE, atol=0)
    assert_same(wanted, gradients(model, loss))


ORGANS_THERE = {
    "some": [[1, 0, 1], [0, 0, 0], [1, 1, 0]],
    "all": [[1] * 3] * 3,
    "none": [[0] * 3] * 3,
}


@pytest.mark.parametrize("there", ORGANS_THERE)
@pytest.mark.parametrize("chunk", [1, 2, 4, 8, 9])
def test_chunks_of_organ_prompts_change_nothing(tiny_size: SAMSize, chunk: int, there: str) -> None:
    """Of nine prompts on three images: chunks across images, and a last one that is smaller."""
    model = build("organ", organs=3).double()
    model.sam.prompt_encoder.pe_layer.float()  # computes in single precision whatever it is given
    images = batch(0, 0, 0)[0].double()
    masks = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(3)) > 0.6
    organs = masks.byte() * torch.tensor(ORGANS_THERE[there], dtype=torch.uint8)[..., None, None]
    organ_loss = OrganLoss(MASK_LOSS)
    expected = organ_loss(*model.embed(images).organ_answers(), organs.double())
    wanted = gradients(model, expected)
    network = LossNetwork(model, MASK_LOSS, organ_loss, chunk=chunk)
    with counted(model.sam.mask_decoder.transformer) as decoded:
        loss = network(images, [], [], organs)
        assert decoded == [*[chunk] * (9 // chunk), *([9 % chunk] if 9 % chunk else [])]
        found = gradients(model, loss)
    assert sorted(decoded)[-1] == chunk  # backward decodes them again, no more at once
    torch.testing.assert_close(loss, expected, rtol=EXACT, atol=0)
    assert_same(wanted, found, EXACT)


def test_boxes_that_are_not_trained(tiny_size: SAMSize) -> None:
    model, (images, boxes, masks) = build("organ"), batch(2, 1)
    organs = torch.zeros(2, 2, 64, 64)
    loss = LossNetwork(model, MASK_LOSS, OrganLoss(MASK_LOSS))(images, boxes, masks, organs)
    expected = OrganLoss(MASK_LOSS)(*model.embed(images).organ_answers(), organs)
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("prompts", ["box", "organ"])
def test_memory_is_that_of_a_chunk(tiny_size: SAMSize, prompts: str) -> None:
    """What autograd keeps for backward, in bytes, does not grow with the number of prompts."""

    def kept(count: int) -> int:
        network, organ_loss = build(prompts, count), OrganLoss(MASK_LOSS)
        model = LossNetwork(network, MASK_LOSS, organ_loss, chunk=2)
        images, boxes, masks = batch(count)
        sample = (images, boxes, masks, torch.stack(masks) if prompts == "organ" else None)
        alive: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            alive[storage.data_ptr()] = storage.nbytes()
            weakref.finalize(storage, alive.pop, storage.data_ptr(), None)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = model(*sample)
        total = sum(alive.values())
        loss.backward()
        return total

    few, many = kept(4), kept(40)
    # Each chunk keeps its input, the embedding (one for all), and a scalar.
    assert many - few < 40 * 64


class counted:
    """The batch sizes of a module's calls."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.sizes = module, []

    def __enter__(self) -> list[int]:
        def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self.sizes.append(len(inputs[0]))

        self.handle = self.module.register_forward_pre_hook(note)
        return self.sizes

    def __exit__(self, *_: object) -> None:
        self.handle.remove()


@pytest.mark.parametrize("chunk", [0, True, 2.5])
def test_a_chunk_that_is_none(tiny_size: SAMSize, chunk: object) -> None:
    with pytest.raises(CobotError, match=r"prompt_chunk=.*whole number of at least 1"):
        LossNetwork(build(), MASK_LOSS, chunk=chunk)


def test_boxes_for_another_number_of_images(tiny_size: SAMSize) -> None:
    images, boxes, masks = batch(1, 1)
    loss: Callable[..., Tensor] = LossNetwork(build(), MASK_LOSS)
    with pytest.raises(CobotError, match="2 images but boxes for 1"):
        loss(images, boxes[:1], masks[:1])
