"""Memory and time of a training step of ViT-B with 13 organs, lever by lever.

    python benchmarks/presets.py --out OUT [--prompts both] [--image-size 1024] [--device cuda]

Each row is a process of its own: LoRA with orchestration, one slice, two steps, Adam. Prompts are a
box an organ, as in the paper, or with ``--prompts both``, the medical bundles' default, a learned
prompt an organ as well. All organs are on the slice, which needs most.
On a GPU memory is what PyTorch had allocated at most. On a CPU it is the peak of the resident
memory less what the process had before the network was built; the children run with a fixed
MALLOC_MMAP_THRESHOLD_, so that freed tensors are given back at once. Random weights.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from monai.losses import DiceCELoss
from resident import AT_ONCE, resident

from monai_cobot.losses import OrganLoss
from monai_cobot.sam import LossNetwork, build_adapted_sam
from monai_cobot.sam.organ_prompts import PROMPTS

ORGANS = 13
LEVERS: dict[str, dict[str, Any]] = {
    "segment-anything's attention": {"attention": "stock"},
    "default": {},
    "checkpoint_blocks": {"checkpoint_blocks": True},
    "last_blocks: 6": {"last_blocks": 6},
    "bf16": {"precision": "bf16"},
    "memory: 8gb": {"precision": "bf16", "checkpoint_blocks": True, "chunk": 4},
}


def measure(
    lever: str, sam: str, image_size: int | None, device: str, prompts: str
) -> dict[str, Any]:
    """Peak and seconds of the second step."""
    settings = dict(LEVERS[lever])
    chunk = settings.pop("chunk", 16)
    before = resident("VmRSS")
    model = build_adapted_sam(
        sam, "random", image_size, "lora",
        orchestrate=True, prompts=prompts, organs=ORGANS, **settings,
    )  # fmt: skip
    loss = DiceCELoss(sigmoid=True, squared_pred=True)
    network = LossNetwork(model, loss, OrganLoss(loss), chunk=chunk)
    network = network.to(device).train()
    optimizer = torch.optim.Adam(model.parameter_groups(1e-4, 1e-3))
    size = model.base.image_size
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, size, size, generator=generator).to(device)
    corners = torch.rand(ORGANS, 2, 2, generator=generator).sort(dim=1).values * (size - 1)
    masks = (torch.rand(ORGANS, size, size, generator=generator) > 0.5).to(torch.uint8)
    organs = None if prompts == "box" else masks[None]
    built = resident("VmRSS")
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        optimizer.zero_grad()
        network(image, [corners.flatten(1).to(device)], [masks], organs).backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
        return {"lever": lever, "prompts": prompts, "peak_mib": peak, "seconds": seconds}
    return {
        "lever": lever,
        "prompts": prompts,
        "network_mib": (built - before) / 2**20,
        "peak_mib": (resident("VmHWM") - before) / 2**20,
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sam", default="vit_b")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--prompts", choices=PROMPTS, default="box")
    parser.add_argument("--levers", nargs="+", choices=LEVERS, default=list(LEVERS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child")
    given = parser.parse_args()
    if given.child:
        row = measure(given.child, given.sam, given.image_size, given.device, given.prompts)
        print(json.dumps(row))
        return
    rows = []
    for lever in given.levers:
        command = [sys.executable, __file__, "--sam", given.sam, "--child", lever]
        command += ["--device", given.device, "--prompts", given.prompts]
        command += ["--image-size", str(given.image_size)] if given.image_size else []
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=AT_ONCE)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(rows[-1]), flush=True)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "presets.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
