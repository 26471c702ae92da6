"""The orchestration in SAM's encoder: made once a forward, in no more operators than plain LoRA."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from monai_cobot import peft
from monai_cobot.sam import CobotSAM, fold
from monai_cobot.sam.base import load_base
from tests.operators import TwoAdditions
from tests.peft.models import randomise
from tests.sam.encoders import difference

# Double precision, twelve blocks with random values of order one; only the order of sums differs.
TOLERANCE = 1e-9


class Operators(TorchDispatchMode):
    """Counts all operators, and those that are not views."""

    def __init__(self) -> None:
        super().__init__()
        self.all = self.computing = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        self.all += 1
        self.computing += not func.is_view
        return func(*args, **(kwargs or {}))


def model(method: str, orchestrate: bool, checkpointed: bool = False) -> CobotSAM:
    sam, base = load_base("small", "random", 64, "tiled", checkpointed)
    built = CobotSAM(sam, base, method, None, orchestrate).train()
    randomise(torch.nn.ParameterList(p for p in built.parameters() if p.requires_grad))
    return built.double().eval()  # no dropout


def gradients(built: CobotSAM) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(4)
    image = torch.randn(1, 3, 64, 64, generator=generator, dtype=torch.float64)
    found = built.sam.image_encoder(image)
    (found * torch.randn(found.shape, generator=generator, dtype=torch.float64)).sum().backward()
    named = ((name, p.grad) for name, p in built.named_parameters())
    return found.detach(), {name: grad for name, grad in named if grad is not None}


def test_no_more_operators_than_two_additions() -> None:
    """A training step of the twelve blocks, all operators counted, views too."""
    orchestrated, usual = model("lora", True), model("lora", False)
    for block in usual.sam.image_encoder.blocks:
        block.attn.qkv.__class__ = TwoAdditions
    counts = []
    for built in (orchestrated, usual):
        with Operators() as operators:
            gradients(built)
        counts.append((operators.all, operators.computing))
    assert counts[0][0] <= counts[1][0]
    assert counts[0][1] <= counts[1][1]


METHODS = [name for name in peft.names() if peft.get(name).orchestratable]


@pytest.mark.parametrize("method", METHODS)
def test_forward_cache_or_each_for_itself(method: str) -> None:
    built, other = model(method, True), model(method, True)
    assert other.orchestrator is not None
    other.orchestrator.forward_cache.remove()
    (found, grads), (expected, wanted) = gradients(built), gradients(other)
    assert difference(found, expected) < TOLERANCE
    assert grads.keys() == wanted.keys()
    largest = max(float(grad.abs().max()) for grad in wanted.values())
    assert largest > 0
    for name, grad in grads.items():
        assert float((grad - wanted[name]).abs().max()) < TOLERANCE * largest, name


@pytest.mark.parametrize("method", METHODS)
def test_checkpointed_blocks_find_it_again(method: str) -> None:
    """Two forwards before one backward, and one without gradients in between."""
    (_, wanted), checkpointed = gradients(model(method, True)), model(method, True, True)
    encoder = checkpointed.sam.image_encoder
    generator = torch.Generator().manual_seed(4)
    image = torch.randn(1, 3, 64, 64, generator=generator, dtype=torch.float64)
    weights = torch.randn(1, 128, 4, 4, generator=generator, dtype=torch.float64)
    losses = [(encoder(image) * weights).sum() for _ in range(2)]
    with torch.no_grad():
        encoder(image)
    (losses[0] + losses[1]).backward()
    largest = max(float(grad.abs().max()) for grad in wanted.values())
    for name, grad in wanted.items():
        found = checkpointed.get_parameter(name).grad
        assert found is not None, name
        assert float((found / 2 - grad).abs().max()) < TOLERANCE * largest, name


def test_folded_leaves_no_hooks() -> None:
    built = model("lora", True, True)
    folded = fold(built)
    assert not folded.sam.image_encoder._forward_pre_hooks
    assert len(built.sam.image_encoder._forward_pre_hooks) == 1
    gradients(folded)
