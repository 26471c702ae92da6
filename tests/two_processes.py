"""Work that two processes of a gloo group do together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

RANKS = 2


def in_two_processes(work: Callable[[int, Path], None], folder: Path) -> None:
    """Run ``work(rank, folder)`` in each, with one thread.

    Args:
        work: a function of a module, which the processes import.
        folder: where they meet, through a file, and leave what they find.
    """
    mp.spawn(_join, args=(work, folder), nprocs=RANKS)


def _join(rank: int, work: Callable[[int, Path], None], folder: Path) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=RANKS)
    work(rank, folder)
    dist.destroy_process_group()
