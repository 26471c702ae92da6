"""A training step in bfloat16 against segment-anything in single precision."""

from __future__ import annotations

from collections.abc import Iterator

from harness import Row, Settings, compare
from training import slice_of, step, training_network


def measure(settings: Settings) -> Iterator[Row]:
    """One image with one box, LoRA, forward and backward."""
    batch = slice_of(settings.side, 1, settings.device)
    networks = {
        precision: training_network(settings, attention, precision)
        for precision, attention in (("fp32", "stock"), ("bf16", "auto"))
    }
    yield compare(
        "bf16", "training step", f"{settings.side}, bf16 / stock fp32",
        lambda: step(networks["fp32"], batch), lambda: step(networks["bf16"], batch),
        settings, bound=0.50,
    )  # fmt: skip
    network = training_network(settings, "auto", "fp32")
    yield compare(
        "bf16", "training step", f"{settings.side}, bf16 / ours fp32",
        lambda: step(network, batch), lambda: step(networks["bf16"], batch), settings,
    )  # fmt: skip
