"""What the orchestration costs over the bare method: products, operators, time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from harness import Row, Settings, compare, counted
from operators import flops_of, operators_of
from torch import Tensor, nn
from training import slice_of, training_network

from monai_cobot.sam import CobotSAM, load_base, merge

PART = "orchestration"
NAMES = {"lora": "LoRA", "adaptformer": "Adaptformer"}
# The smallest input that windows divide without much padding: operators do not depend on the size.
COUNTED_SIDE = 64


def encoder_step(encoder: nn.Module, image: Tensor) -> None:
    """Forward, and backward from a sum of the embeddings."""
    encoder.zero_grad()
    found: Any = encoder(image)
    found.square().sum().backward()


def measure(settings: Settings) -> Iterator[Row]:
    """A training step of the image encoder, forward and backward."""
    image = slice_of(settings.side, 1, settings.device).image
    for method, name in NAMES.items():
        bare, orchestrated = (encoder_of(settings, method, found) for found in (False, True))
        found = [flops_of(lambda e=e: encoder_step(e, image)) for e in (bare, orchestrated)]
        yield counted(
            PART, "FLOPs over the bare method", f"{name}, {settings.side}", *found, "FLOP",
            bound=1.01,
        )  # fmt: skip
        yield compare(
            PART, "time over the bare method", f"{name}, {settings.side}",
            lambda b=bare: encoder_step(b, image), lambda o=orchestrated: encoder_step(o, image),
            settings,
        )  # fmt: skip
        yield from counts(settings, f"operators over the bare {name}", (method, False), method)
    yield from counts(settings, "operators over LoRA with two additions", ("lora", True), "lora", 1)
    usual = encoder_of(settings, "lora", False, two_additions=True)
    orchestrated = encoder_of(settings, "lora", True)
    yield compare(
        PART, "time over LoRA with two additions", f"orchestrated LoRA, {settings.side}",
        lambda: encoder_step(usual, image), lambda: encoder_step(orchestrated, image),
        settings, bound=1,
    )  # fmt: skip
    yield from merged(settings)


def encoder_of(
    settings: Settings, method: str, orchestrate: bool, two_additions: bool = False, side: int = 0
) -> nn.Module:
    network = training_network(
        settings, method=method, orchestrate=orchestrate, two_additions=two_additions,
        side=side or settings.side,
    ).network  # fmt: skip
    encoder: nn.Module = network.sam.image_encoder
    # Its hooks reach the orchestrator, but nothing else holds it.
    return encoder


def counts(
    settings: Settings, name: str, peer: tuple[str, bool], method: str, bound: float | None = None
) -> Iterator[Row]:
    """All operators, and those that are not views, of all blocks."""
    image = slice_of(COUNTED_SIDE, 1, settings.device).image
    usual = encoder_of(settings, peer[0], False, peer[1], COUNTED_SIDE)
    orchestrated = encoder_of(settings, method, True, side=COUNTED_SIDE)
    found = [operators_of(lambda e=e: encoder_step(e, image)) for e in (usual, orchestrated)]
    totals = [sum(operators.counts.values()) for operators in found]
    computing = [operators.computing for operators in found]
    variant = f"orchestrated {NAMES[method]}"
    yield counted(PART, name, f"{variant}, all", *totals, "operators", bound=bound)
    yield counted(PART, name, f"{variant}, without views", *computing, "operators", bound=bound)


def merged(settings: Settings) -> Iterator[Row]:
    """The operators of SAM and of the merged model, which have to be the same ones."""
    sam, base = load_base(settings.sam, "random", COUNTED_SIDE)
    plain, _ = load_base(settings.sam, "random", COUNTED_SIDE)
    model = CobotSAM(sam, base, "lora", None, orchestrate=True)
    image = slice_of(COUNTED_SIDE, 1, "cpu").image
    with torch.no_grad():
        found = [
            operators_of(lambda e=e: e(image))
            for e in (plain.image_encoder, merge(model).image_encoder)
        ]
    if found[0].counts != found[1].counts:
        raise SystemExit("orchestration: the merged model runs other operators than SAM")
    totals = [sum(operators.counts.values()) for operators in found]
    yield counted(PART, "operators of the merged model over SAM", "all", *totals, "operators",
                  bound=1, note="the same operators, one by one")  # fmt: skip
