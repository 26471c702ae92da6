"""The image encoder against each peer, by the networks of `encoder_networks.py`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from encoder_networks import PASSES, build, inputs, run
from harness import Row, Settings, compare

BOUNDS = {
    "stock": {
        "forward": {256: 0.76, 512: 0.82, 1024: 0.70},
        "forward+backward": {256: 0.85, 512: 0.88, 1024: 0.86},
    },
    "huggingface": {"forward": {512: 0.85}, "forward+backward": {512: 0.88}},
}
NAMES = {
    "stock": "segment-anything",
    "huggingface": "transformers, SDPA",
    "peft": "transformers, SDPA, with peft's LoRA",
    "authors": "the authors' code",
}


def measure(settings: Settings) -> Iterator[Row]:
    """Forward, and forward with backward through LoRA, side by side with the peers there are."""
    for side in settings.sides:
        for done in PASSES:
            for peer in peers(settings, done):
                yield against(settings, peer, side, done)


def peers(settings: Settings, done: str) -> list[str]:
    """Those that are installed, or given by a path."""
    found = ["stock"]
    if importlib.util.find_spec("transformers"):
        found.append("huggingface")
        if done == PASSES[1] and importlib.util.find_spec("peft"):
            found.append("peft")
    return found + (["authors"] if settings.authors else [])


def against(settings: Settings, peer: str, side: int, done: str) -> Row:
    backward = done == PASSES[1]
    image, weights = inputs(settings.sam, side, backward, settings.device)
    theirs, ours = (
        build(name, settings.sam, side, backward, settings.device, settings.authors)
        for name in (peer, "ours")
    )
    return compare(
        "encoders", f"encoder, {done}", f"{side}, against {NAMES[peer]}",
        lambda: run(theirs, image, weights), lambda: run(ours, image, weights),
        settings, bound=BOUNDS.get(peer, {}).get(done, {}).get(side),
    )  # fmt: skip
