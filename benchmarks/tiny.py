"""A SAM that is a blink's work, for `--quick`."""

from __future__ import annotations

from monai_cobot.sam import SAMSize

TINY = SAMSize(
    "tiny", width=16, depth=3, heads=2, global_blocks=(1,), image_size=64, window=3,
    decoder_width=16, decoder_mlp=32, official=False,
)  # fmt: skip
