"""The tiny SAM of the tests: segment-anything's own classes, a second's work."""

from __future__ import annotations

import torch

from monai_cobot.sam import SAMSize, build_random, predict_masks

TINY = SAMSize(
    "tiny",
    width=16,
    depth=3,
    heads=2,
    global_blocks=(1,),
    image_size=64,
    window=3,
    decoder_width=16,
    decoder_mlp=32,
    official=False,
)


def warm_convolutions() -> None:
    """The first convolution of a process may take another kernel than all later ones."""
    sam = build_random(TINY)
    with torch.no_grad():
        for batch in (1, 2):
            predict_masks(sam, torch.zeros(batch, 3, 64, 64))
