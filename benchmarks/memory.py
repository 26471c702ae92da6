"""Memory of the image encoder, each form in a process of its own.

The peak of the resident set (Linux) over what was resident before the run, the model and the image
among it; on a GPU what PyTorch allocates.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import torch
from encoder_networks import PASSES, build, inputs, run
from encoders import NAMES, peers
from harness import Row, Settings, counted
from resident import AT_ONCE, peak_anew, resident

FORMS = ("stock", "ours", "ours, checkpointed")
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
        forms = FORMS[1 : 2 if done == PASSES[0] or settings.quick else 3]
        ours = {name: peak(settings, name, side, done) for name in forms}
        for peer in peers(settings, done)[: 1 if settings.quick else None]:
            theirs = peak(settings, peer, side, done)
            for name, found in ours.items():
                asked = side == BOUNDED and peer == FORMS[0]
                yield counted(
                    "memory", f"memory, {done}", f"{name}, {side}, against {NAMES[peer]}",
                    theirs / 1e9, found / 1e9, "GB", bound=BOUNDS[done, name] if asked else None,
                )  # fmt: skip


def peak(settings: Settings, name: str, side: int, done: str) -> int:
    """Bytes, at least one, in a process of its own."""
    case = json.dumps([settings.to_dict(), name, side, done])
    command = [sys.executable, __file__, case]
    ended = subprocess.run(command, env=AT_ONCE, check=True, capture_output=True, text=True)
    return max(1, int(ended.stdout.split()[-1]))


def needed(settings: Settings, name: str, side: int, done: str) -> int:
    """Bytes that a run needs over the model, in this process."""
    torch.set_num_threads(settings.threads)
    backward = done == PASSES[1]
    image, weights = inputs(settings.sam, side, backward, settings.device)
    encoder = build(name, settings.sam, side, backward, settings.device, settings.authors)
    if image.is_cuda:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run(encoder, image, weights)
        return torch.cuda.max_memory_allocated() - before
    # What the libraries load and keep for themselves, at the first use of a kernel.
    run(build("stock", "small", 64, backward, "cpu"), *inputs("small", 64, backward, "cpu"))
    peak_anew()
    before = resident("VmRSS")
    run(encoder, image, weights)
    return resident("VmHWM") - before


if __name__ == "__main__":
    given, *case = json.loads(sys.argv[1])
    print(needed(Settings(**given), *case))
