"""How the time of a slice grows: with organs, image size, slices, and processes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from harness import Row, Settings, Time, compare, median_interval, timed
from torch.nn.parallel import DistributedDataParallel
from training import slice_of, step, training_network
from volume_inference import volume_of

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
            lambda: step(network, one), lambda b=batch: step(network, b), settings,
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
            lambda: step(small, batch), lambda n=large, b=other: step(n, b), settings,
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
            lambda: through(1), lambda n=slices: through(n), settings,
        )  # fmt: skip


def with_processes(settings: Settings) -> Iterator[Row]:
    """A step over four slices in one process, and shared by two; the small SAM, gloo.

    A thread each. By the wall clock, for two share the work; with fewer free cores than
    processes nothing is won.
    """
    found: dict[int, list[Time]] = {1: [], 2: []}
    for processes in (1, 2) if settings.quick else (1, 2, 2, 1):
        context = mp.get_context("spawn")
        results = context.SimpleQueue()
        port = free_port()
        arguments = (processes, port, settings, results)
        mp.spawn(train, arguments, nprocs=processes)
        found[processes] += results.get()
    blocks = [
        [sum(run.wall for run in found[n][block :: settings.blocks]) for n in (1, 2)]
        for block in range(settings.blocks)
    ]
    ratio, low, high = median_interval([two / one for one, two in blocks])
    seconds = [median_interval([run.wall for run in found[n]])[0] for n in (1, 2)]
    yield Row(
        PART, "training step, processes", "2 over 1, small SAM, four slices, gloo, CPU",
        ratio, low, high, *seconds, "s", note="wall clock",
    )  # fmt: skip


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def train(
    rank: int, processes: int, port: int, settings: Settings, results: mp.SimpleQueue
) -> None:
    """Some steps of one process; the first gives the times of all."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=processes
    )
    chosen = settings if settings.quick else Settings("small", (256,), 256, settings.blocks)
    network = training_network(chosen)
    trained = DistributedDataParallel(network, find_unused_parameters=True)
    one = slice_of(chosen.side, chosen.organs, "cpu")
    share = GLOBAL_BATCH // processes
    image = one.image.repeat(share, 1, 1, 1)

    def several() -> None:
        loss = trained(image, [one.boxes] * share, [one.masks] * share)
        loss.backward()

    several()
    times = [timed(several, "cpu") for _ in range(chosen.blocks)]
    if rank == 0:
        results.put(times)
    dist.destroy_process_group()
