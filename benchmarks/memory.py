"""Memory of the image encoder, each form in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from encoder import AT_ONCE, MEMORY, PASSES
from harness import Row, Settings, counted

BOUNDS = {
    ("forward", "ours"): 0.12,
    ("forward+backward", "ours"): 0.40,
    ("forward+backward", "ours, checkpointed"): 0.10,
}
BOUNDED = 1024


def measure(settings: Settings) -> Iterator[Row]:
    """What lives at the peak beside the model, over segment-anything's, at the largest side."""
    side = settings.sides[-1]
    for done in PASSES[1:] if settings.quick else PASSES:
        stock = peak(settings, MEMORY[0], side, done)
        for name in MEMORY[1 : 2 if done == PASSES[0] or settings.quick else 3]:
            yield counted(
                "memory", f"memory, {done}", f"{name}, {side}", stock / 1e9,
                peak(settings, name, side, done) / 1e9, "GB",
                bound=BOUNDS[done, name] if side == BOUNDED else None,
            )  # fmt: skip


def peak(settings: Settings, name: str, side: int, done: str) -> int:
    """Bytes, at least one."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, str(Path(__file__).with_name("encoder.py")), "--out", folder),
            *("--sam", settings.sam, "--device", settings.device),
            *("--threads", str(settings.threads), "--case", json.dumps([name, side, done])),
        ]
        ended = subprocess.run(command, env=AT_ONCE, check=True, capture_output=True, text=True)
    return max(1, int(ended.stdout.split()[-1]))
