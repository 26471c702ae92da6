"""SAM's image encoder: this package's against segment-anything's and Hugging Face's, side by side.

    python benchmarks/encoder.py --out OUT                       # ViT-B at 256, 512 and 1024
    python benchmarks/encoder.py --out OUT --sides 512 --peers stock huggingface --clock cpu

Random weights, one image, no data. Forward, and forward with backward through LoRA (rank 4, the
same module for all peers). A block is peer, ours, ours, peer, so that a slow minute of the machine
meets both; a ratio is that of the block's sums. Prints medians and the bootstrap interval (95 %) of
the median ratio, and writes all runs to OUT/encoder.csv and the table to OUT/encoder.md. With
`--clock cpu` a run counts the processor's time of this process, which others on the same machine
disturb less; use it with one thread.

Memory is measured in a process each: the peak of the resident set (Linux) over what was resident
before the run, the model and the image among it; on a GPU what PyTorch allocates.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from authors import of_checkout
from tiny import TINY
from torch import Tensor, nn

from monai_cobot import peft
from monai_cobot.peft import LoRAConfig, LoRALinear
from monai_cobot.sam import SIZES, build_architecture, speed_up

SIZES.setdefault(TINY.name, TINY)

PASSES = ("forward", "forward+backward")
PEERS = ("stock", "huggingface")
MEMORY = ("stock", "ours", "ours, checkpointed")
# glibc gives what is freed back at once, so that the resident set is what lives.
AT_ONCE = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
FIELDS = ("side", "pass", "peer", "block", "encoder", "seconds")


def build(name: str, sam: str, side: int, lora: bool, device: str, checkout: str = "") -> nn.Module:
    """An encoder by the name of its maker, its relative positions away from zero.

    ``peft`` is Hugging Face's with the LoRA of their peft; ``authors`` that of a checkout.
    """
    torch.manual_seed(0)
    if name in ("huggingface", "peft"):
        encoder = hugging_face(sam, side)
    else:
        encoder = of_checkout(checkout, sam, side) if name == "authors" else ours(name, sam, side)
    for key, parameter in encoder.named_parameters():
        if "pos" in key:
            nn.init.trunc_normal_(parameter, std=0.02)
    encoder.requires_grad_(False)
    if lora and name == "huggingface":
        for layer in encoder.get_submodule("layers").children():
            layer.attn.qkv = LoRALinear(layer.attn.qkv, LoRAConfig())
    elif lora and name == "peft":
        from peft import LoraConfig, inject_adapter_in_model

        inject_adapter_in_model(LoraConfig(r=4, target_modules=["qkv"]), encoder)
    elif lora:
        peft.get("lora").inject(encoder, LoRAConfig())
    for key, parameter in encoder.named_parameters():
        if ".up." in key or "lora_B" in key:
            nn.init.normal_(parameter, std=0.02)
    return encoder.to(device)


def ours(name: str, sam: str, side: int) -> nn.Module:
    encoder: nn.Module = build_architecture(SIZES[sam], side).image_encoder
    speed_up(encoder, "stock" if name == "stock" else "auto", name.endswith("checkpointed"))
    return encoder


def hugging_face(sam: str, side: int) -> nn.Module:
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    size = SIZES[sam]
    config = SamVisionConfig(
        hidden_size=size.width, num_hidden_layers=size.depth, num_attention_heads=size.heads,
        image_size=side, window_size=size.window, global_attn_indexes=list(size.global_blocks),
        mlp_dim=4 * size.width, output_channels=size.decoder_width,
    )  # fmt: skip
    config._attn_implementation = "sdpa"
    encoder: nn.Module = SamVisionEncoder(config)
    return encoder


def run(encoder: nn.Module, image: Tensor, weights: Tensor | None, clock: str) -> float:
    """Seconds of a forward, with backward where there are weights for a sum of the output."""
    now = time.process_time if clock == "cpu" else time.perf_counter
    synchronise(image)
    start = now()
    with torch.set_grad_enabled(weights is not None):
        found: Any = encoder(image)
        found = found if isinstance(found, Tensor) else found.last_hidden_state
        if weights is not None:
            (found * weights).sum().backward()
    synchronise(image)
    return now() - start


def synchronise(image: Tensor) -> None:
    if image.is_cuda:
        torch.cuda.synchronize()


def inputs(sam: str, side: int, backward: bool, device: str) -> tuple[Tensor, Tensor | None]:
    grid = side // SIZES[sam].patch
    image = torch.randn(1, 3, side, side, device=device)
    weights = torch.randn(1, SIZES[sam].decoder_width, grid, grid, device=device)
    return image, weights if backward else None


def measure(arguments: argparse.Namespace, side: int, done: str, peer: str) -> Iterator[list[Any]]:
    """The runs of one peer and ours, block by block."""
    backward = done == PASSES[1]
    image, weights = inputs(arguments.sam, side, backward, arguments.device)
    encoders = {
        name: build(name, arguments.sam, side, backward, arguments.device)
        for name in (peer, "ours")
    }
    for encoder in encoders.values():
        run(encoder, image, weights, arguments.clock)  # warm
    for block in range(arguments.blocks):
        for name in (peer, "ours", "ours", peer):
            seconds = run(encoders[name], image, weights, arguments.clock)
            yield [side, done, peer, block, name, seconds]


def summarise(rows: Sequence[Sequence[Any]]) -> list[str]:
    """A line of the table for one comparison."""
    side, done, peer = rows[0][:3]
    seconds = {name: [row[5] for row in rows if row[4] == name] for name in (peer, "ours")}
    sums = {name: np.array(found).reshape(-1, 2).sum(axis=1) for name, found in seconds.items()}
    ratios = sums["ours"] / sums[peer]
    draws = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    return [
        str(side), done, peer,
        *(f"{np.median(seconds[name]):.2f}" for name in (peer, "ours")),
        f"{np.median(ratios):.3f} [{low:.3f}, {high:.3f}]", str(len(ratios)),
    ]  # fmt: skip


def resident(field: str) -> int:
    """A field of this process's status in bytes, such as VmRSS, or its peak VmHWM."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise SystemExit("memory on a CPU is measured on Linux alone: leave --memory out")


def peak(arguments: argparse.Namespace, name: str, side: int, done: str) -> int:
    """Bytes that a run needs over the model; in a process of its own."""
    backward = done == PASSES[1]
    image, weights = inputs(arguments.sam, side, backward, arguments.device)
    encoder = build(name, arguments.sam, side, backward, arguments.device, arguments.authors)
    if image.is_cuda:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run(encoder, image, weights, "wall")
        return torch.cuda.max_memory_allocated() - before
    # What the libraries load and keep for themselves, at the first use of a kernel.
    run(build("stock", "small", 64, backward, "cpu"), *inputs("small", 64, backward, "cpu"), "wall")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    run(encoder, image, weights, "wall")
    return resident("VmHWM") - before


def memory_table(arguments: argparse.Namespace) -> list[list[str]]:
    lines = []
    for side in arguments.sides:
        for done in arguments.passes:
            found = {}
            for name in MEMORY[: 2 if done == PASSES[0] else 3]:
                case = json.dumps([name, side, done])
                command = [sys.executable, *sys.argv, "--case", case]
                ended = subprocess.run(
                    command, env=AT_ONCE, check=True, capture_output=True, text=True
                )
                found[name] = int(ended.stdout.split()[-1])
                share = found[name] / found["stock"]
                lines.append([str(side), done, name, f"{found[name] / 1e9:.2f}", f"{share:.2f}"])
                print("  ".join(lines[-1]), flush=True)
    return lines


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sam", choices=tuple(SIZES), default="vit_b")
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--passes", choices=PASSES, nargs="+", default=list(PASSES))
    parser.add_argument("--peers", choices=PEERS, nargs="*", default=list(PEERS))
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--memory", action="store_true", help="measure the memory too")
    parser.add_argument("--authors", default="", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.case:
        print(peak(arguments, *json.loads(arguments.case)))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    file, table = arguments.out / "encoder.csv", []
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(FIELDS)
        for side in arguments.sides:
            for done in arguments.passes:
                for peer in arguments.peers:
                    rows = list(measure(arguments, side, done, peer))
                    writer.writerows(rows)
                    stream.flush()
                    table.append(summarise(rows))
                    print("  ".join(table[-1]), flush=True)
    head = ["side", "pass", "peer", "peer, s", "ours, s", "ours / peer", "blocks"]
    text = markdown(head, table)
    if arguments.memory:
        text += markdown(["side", "pass", "encoder", "GB", "of stock"], memory_table(arguments))
    (arguments.out / "encoder.md").write_text(text)
    print(f"{file}, {arguments.out / 'encoder.md'}")


if __name__ == "__main__":
    main()
