"""Two processes that train together have the gradients of one, and exchange only those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from monai.losses import DiceCELoss
from torch import Tensor

from monai_cobot.handlers import train_together
from monai_cobot.losses import OrganLoss
from monai_cobot.peft import names
from monai_cobot.sam import LossNetwork, build_adapted_sam
from tests.two_processes import RANKS, in_two_processes

# Boxes of each of the four images: the processes get 7 and 2 of them.
COUNTS = (5, 0, 2, 2)
# Means of means, in another order, in single precision.
TOLERANCE = 2e-5


def network(method: str = "lora", orchestrate: bool = True) -> LossNetwork:
    from monai_cobot.sam.sizes import SIZES
    from tests.tiny_sam import TINY

    SIZES["tiny"] = TINY
    model = build_adapted_sam(
        "tiny", "random", 64, method, orchestrate=orchestrate, prompts="both", organs=2
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.adapter_state().values():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    loss = DiceCELoss(sigmoid=True, squared_pred=True)
    return LossNetwork(model, loss, OrganLoss(loss), chunk=3).train()


def batch(images: list[int]) -> tuple[Tensor, list[Tensor], list[Tensor], Tensor]:
    """Some of the four images, their boxes and masks, and organs of which few are there."""
    found: list[Any] = []
    for image in images:
        g = torch.Generator().manual_seed(image)
        count = COUNTS[image]
        organs = torch.zeros(2, 64, 64, dtype=torch.uint8)
        if image != 3:
            organs[image % 2, 10:30, 5 : 20 + 5 * image] = 1
        boxes = (torch.rand(count, 2, 2, generator=g).sort(dim=1).values * 63).flatten(1)
        masks = (torch.rand(count, 64, 64, generator=g) > 0.6).to(torch.uint8)
        found.append((torch.randn(3, 64, 64, generator=g), boxes, masks, organs))
    pictures, boxes, masks, organs = zip(*found, strict=True)
    return torch.stack(pictures), list(boxes), list(masks), torch.stack(organs)


def gradients(module: torch.nn.Module) -> dict[str, Tensor]:
    return {
        name.removeprefix("module."): parameter.grad.clone()
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }


def train(rank: int, folder: Path) -> None:
    exchanged: list[int] = []
    alone = network()
    pixel_mean = alone.network.sam.pixel_mean
    theirs = pixel_mean.clone()
    pixel_mean += rank  # as if the processes had begun with different buffers
    trained = train_together(alone, torch.device("cpu"))
    sent_at_the_start = torch.equal(pixel_mean, theirs)
    pixel_mean += rank

    def note(state, bucket):
        exchanged.append(bucket.buffer().numel())
        whole = dist.all_reduce(bucket.buffer().div_(RANKS), async_op=True)
        return whole.get_future().then(lambda done: done.value()[0])

    trained.register_comm_hook(None, note)
    trained(*batch([0, 2] if rank == 0 else [1, 3])).backward()
    sent_with_the_step = not torch.equal(pixel_mean, theirs + rank)
    sent = (sum(exchanged), sent_at_the_start, sent_with_the_step)
    torch.save((gradients(trained), *sent), folder / f"{rank}.pt")


@pytest.mark.timeout(180)
def test_gradients_are_those_of_one_process(tmp_path: Path) -> None:
    in_two_processes(train, tmp_path)
    alone = network()
    alone(*batch([0, 2, 1, 3])).backward()
    expected = gradients(alone)
    trainable = sum(p.numel() for p in alone.parameters() if p.requires_grad)
    largest = max(gradient.norm() for gradient in expected.values())
    for rank in range(RANKS):
        found, exchanged, start, step = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert exchanged == trainable  # nothing of the frozen encoder
        assert (start, step) == (True, False)  # buffers once, at the start
        for name, gradient in expected.items():
            size = max(gradient.norm(), 1e-2 * largest)
            assert (found[name] - gradient).norm() < TOLERANCE * size, name


@pytest.mark.parametrize("method", sorted(set(names()) - {"freeze"}))
def test_training_changes_no_buffer(method: str) -> None:
    """So that they need not be sent with every step."""
    alone = network(method, orchestrate=method in ("adaptformer", "ssf"))
    before = {name: buffer.clone() for name, buffer in alone.named_buffers()}
    alone(*batch([0, 2])).backward()
    for name, buffer in alone.named_buffers():
        assert torch.equal(buffer, before[name]), name
