"""The sizes of SAM: Meta's three, and small ones of the same classes."""

from __future__ import annotations

from dataclasses import dataclass

from monai_cobot.errors import CobotError


@dataclass(frozen=True)
class SAMSize:
    """Numbers from which segment-anything's classes are built.

    Lengths are in pixels (``image_size``, ``patch``) and patches (``window``); ``global_blocks``
    are the encoder's blocks that attend to the whole image. ``official`` tells whether Meta
    publishes weights for it.
    """

    name: str
    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    image_size: int = 1024
    patch: int = 16
    window: int = 14
    decoder_width: int = 256
    decoder_mlp: int = 2048
    official: bool = True


SIZES = {
    size.name: size
    for size in (
        SAMSize("vit_b", 768, 12, 12, (2, 5, 8, 11)),
        SAMSize("vit_l", 1024, 24, 16, (5, 11, 17, 23)),
        SAMSize("vit_h", 1280, 32, 16, (7, 15, 23, 31)),
        SAMSize(
            "small",
            width=128,
            depth=12,
            heads=4,
            global_blocks=(2, 5, 8, 11),
            image_size=256,
            window=8,
            decoder_width=128,
            decoder_mlp=512,
            official=False,
        ),
    )
}


def get_size(name: str) -> SAMSize:
    """The size of that name; a CobotError lists the known ones."""
    if name not in SIZES:
        raise CobotError(f"unknown SAM size {name!r}: choose one of {', '.join(SIZES)}")
    return SIZES[name]
