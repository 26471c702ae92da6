"""How the time of a slice grows: with organs, image size, slices, and processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.synchronize import Barrier

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from harness import Row, Runs, Settings, compare, from_runs, in_blocks, synchronise
from torch import nn
from training import slice_of, step, training_network
from volume_inference import volume_of

from monai_cobot.handlers import train_together
from monai_cobot.inferers import PromptedVolumeInferer
from monai_cobot.sam import for_inference

PART = "scaling"
ORGANS = (4, 13, 40)
SLICES = (4, 8)
GLOBAL_BATCH = 4


def measure(settings: Settings) -> Iterator[Row]:
    """Each against its smallest: ratios of time, beside what grows."""
    yield from with_organs(settings)
    yield from with_sides(settings)
    yield from with_slices(settings)
    yield from with_processes(settings)


def with_organs(settings: Settings) -> Iterator[Row]:
    """A training step: its organs share the encoder."""
    network = training_network(settings)
    one = slice_of(settings.side, 1, settings.device)
    for organs in ORGANS[: 1 if settings.quick else None]:
        batch = slice_of(settings.side, organs, settings.device)
        yield compare(
            PART, "training step, organs in a slice", f"{organs} over 1, {settings.side}",
            lambda: step(network, one), lambda b=batch: step(network, b), settings, growth=True,
        )  # fmt: skip


def with_sides(settings: Settings) -> Iterator[Row]:
    """A training step with the organs of a slice."""
    first = settings.sides[0]
    small = training_network(settings, side=first)
    batch = slice_of(first, settings.organs, settings.device)
    for side in settings.sides[1:] or (2 * first,):
        large = training_network(settings, side=side)
        other = slice_of(side, settings.organs, settings.device)
        yield compare(
            PART, "training step, image size", f"{side} over {first}, {settings.organs} organs",
            lambda: step(small, batch), lambda n=large, b=other: step(n, b), settings, growth=True,
        )  # fmt: skip


def with_slices(settings: Settings) -> Iterator[Row]:
    """A volume through the inference, an organ on each slice."""
    model = training_network(settings, orchestrate=True).network
    network = for_inference(model).eval()
    inferer = PromptedVolumeInferer(settings.side)
    volumes = {n: volume_of(settings.side, n, 1) for n in (SLICES[0] // 4, *SLICES)}

    def through(slices: int) -> object:
        volume, prompts = volumes[slices]
        return inferer(volume.to(settings.device), network, prompts)

    for slices in SLICES[: 1 if settings.quick else None]:
        yield compare(
            PART, "inference, slices of a volume", f"{slices} over 1, {settings.side}",
            lambda: through(1), lambda n=slices: through(n), settings, growth=True,
        )  # fmt: skip


def with_processes(settings: Settings) -> Iterator[Row]:
    """A step over four slices in one process, and shared by two, in blocks of one, two, two, one.

    On a CPU the small SAM, gloo and a thread each: with fewer free cores than processes nothing is
    won. With two GPUs the size that is asked for, and nccl. By the wall clock, for two share the
    work.
    """
    gpus = settings.device.startswith("cuda") and torch.cuda.device_count() > 1
    chosen = replace(settings, ledger=None)
    if not gpus and not settings.quick:
        chosen = Settings("small", (256,), 256, settings.blocks)
    context = mp.get_context("spawn")
    results, meeting = context.SimpleQueue(), context.Barrier(3)
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(train, (f"file://{folder}/group", chosen, gpus, meeting, results), nprocs=3)
    runs: Runs = results.get()
    yield from_runs(
        PART, "training step, processes",
        f"2 over 1, {chosen.sam}, four slices, {'nccl, 2 GPUs' if gpus else 'gloo, CPU'}",
        runs, replace(chosen, threads=2), growth=True, note="wall clock",
    )  # fmt: skip


def train(
    number: int,
    address: str,
    settings: Settings,
    gpus: bool,
    meeting: Barrier,
    results: mp.SimpleQueue,
) -> None:
    """One of three processes: the first is alone and takes the times, the others share a step.

    All meet before and after each run, so that only what is timed is at work.
    """
    torch.set_num_threads(1)
    rank = max(0, number - 1)
    device = f"cuda:{rank}" if gpus else "cpu"
    if gpus:
        torch.cuda.set_device(rank)
    network: nn.Module = training_network(replace(settings, device=device))
    if number:
        backend = "nccl" if gpus else "gloo"
        dist.init_process_group(backend, init_method=address, rank=rank, world_size=2)
        network = train_together(network, torch.device(device))
    slices = GLOBAL_BATCH // 2 if number else GLOBAL_BATCH
    one = slice_of(settings.side, settings.organs, device)
    image = one.image.repeat(slices, 1, 1, 1)

    def run(works: bool) -> None:
        meeting.wait()
        if works:
            network(image, [one.boxes] * slices, [one.masks] * slices).backward()
            synchronise(device)
        meeting.wait()

    runs = in_blocks(lambda: run(number == 0), lambda: run(number > 0), settings)
    if number:
        dist.destroy_process_group()
    else:
        results.put(runs)
