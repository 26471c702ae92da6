"""Peak memory of training steps on a picture with few and with many instances.

    python benchmarks/instances_memory.py --sam small --out OUT
    python benchmarks/instances_memory.py --sam vit_b --image-size 1024 --out OUT

Each count is a process of its own: reading the picture, three steps of LoRA with orchestration, the
peak of its resident memory. Random weights; memory does not depend on them. CPU only.

glibc keeps what is freed for later, in pieces, and a process seems to grow though nothing is held;
with a fixed MALLOC_MMAP_THRESHOLD_ it gives tensors back at once. The children run with it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from PIL import Image
from resident import AT_ONCE

from monai_cobot.data.slices import ImageDataset, collate_slices
from monai_cobot.inferers import prepare_slices
from monai_cobot.sam import LossNetwork, build_adapted_sam
from monai_cobot.transforms import image_transforms, slice_transforms

SIDE, CHUNK = 1024, 8


def picture(count: int, folder: Path) -> dict[str, object]:
    """A datalist item with so many rectangles, in a grid."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    file = folder / f"{count}.png"
    Image.fromarray(pixels).save(file)
    columns = int(np.ceil(np.sqrt(count)))
    cell = SIDE // columns
    instances = []
    for number in range(count):
        x, y = cell * (number % columns) + 2, cell * (number // columns) + 2
        x1, y1 = x + cell - 4, y + cell - 4
        instances.append(
            {
                "instance": number,
                "organ": "object",
                "segmentation": [[x, y, x1, y, x1, y1, x, y1]],
                "size": [SIDE, SIDE],
            }
        )
    return {"case": str(count), "patient": "a", "image": str(file), "instances": instances}


def measure(sam: str, image_size: int | None, count: int, steps: int) -> dict[str, float]:
    """Peaks of this process, MiB: after the network is built, and after the steps."""
    model = build_adapted_sam(sam, "random", image_size, "lora", orchestrate=True)
    network = LossNetwork(model, DiceCELoss(sigmoid=True, squared_pred=True), chunk=CHUNK).train()
    optimizer = torch.optim.Adam(model.parameter_groups(1e-4, 1e-3))
    built = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory() as folder:
        dataset = ImageDataset(
            [picture(count, Path(folder))],
            image_transforms({"object": 1}, runs=True),
            slice_transforms(model.base.image_size),
        )
        for step in range(steps):
            image, _, _, prompts = prepare_slices(
                collate_slices([dataset[step]]), torch.device("cpu")
            )
            optimizer.zero_grad()
            network(image, **prompts).backward()
            optimizer.step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"instances": count, "built_mib": built, "peak_mib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sam", default="small")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 300])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", type=int)
    arguments = parser.parse_args()
    if arguments.child is not None:
        found = measure(arguments.sam, arguments.image_size, arguments.child, arguments.steps)
        print(json.dumps(found))
        return
    rows = []
    for count in arguments.counts:
        command = [
            *(sys.executable, __file__, "--sam", arguments.sam),
            *("--steps", str(arguments.steps), "--child", str(count)),
        ]
        if arguments.image_size:
            command += ["--image-size", str(arguments.image_size)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=AT_ONCE)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{count:5d} instances: peak {rows[-1]['peak_mib']:.0f} MiB", flush=True)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "instances_memory.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
