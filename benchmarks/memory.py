"""Memory of the image encoder, each form in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from encoder import AT_ONCE, MEMORY, PASSES
from encoders import NAMES, peers
from harness import Row, Settings, counted

BOUNDS = {
    ("forward", "ours"): 0.12,
    ("forward+backward", "ours"): 0.40,
    ("forward+backward", "ours, checkpointed"): 0.10,
}
BOUNDED = 1024


def measure(settings: Settings) -> Iterator[Row]:
    """What lives at the peak beside the model, over that of each peer, at the largest side."""
    side = max(settings.sides)
    for done in PASSES[1:] if settings.quick else PASSES:
        forms = MEMORY[1 : 2 if done == PASSES[0] or settings.quick else 3]
        ours = {name: peak(settings, name, side, done) for name in forms}
        for peer in peers(settings, done)[: 1 if settings.quick else None]:
            theirs = peak(settings, peer, side, done)
            for name, found in ours.items():
                asked = side == BOUNDED and peer == MEMORY[0]
                yield counted(
                    "memory", f"memory, {done}", f"{name}, {side}, against {NAMES[peer]}",
                    theirs / 1e9, found / 1e9, "GB", bound=BOUNDS[done, name] if asked else None,
                )  # fmt: skip


def peak(settings: Settings, name: str, side: int, done: str) -> int:
    """Bytes, at least one."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, str(Path(__file__).with_name("encoder.py")), "--out", folder),
            *("--sam", settings.sam, "--device", settings.device),
            *("--threads", str(settings.threads), "--authors", settings.authors),
            *("--case", json.dumps([name, side, done])),
        ]
        ended = subprocess.run(command, env=AT_ONCE, check=True, capture_output=True, text=True)
    return max(1, int(ended.stdout.split()[-1]))
