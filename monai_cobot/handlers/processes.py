"""Several processes as one: shares of an evaluation, a training in common, and their end."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any, TypeVar

import ignite.distributed as idist
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_cobot.errors import CobotError

Item = TypeVar("Item")


def own_share(items: Sequence[Item], what: str = "") -> list[Item]:
    """The items of this process: every n-th of n processes, so that each is there once.

    Args:
        items: those of all processes.
        what: what they are, for a message; empty where all of them may go to every process when
            there are fewer items than processes, as in a validation whose mean does not mind.

    Raises:
        CobotError: fewer items than processes.
    """
    rank, ranks = idist.get_rank(), idist.get_world_size()
    if len(items) < ranks:
        if what and ranks > 1 and items:
            raise CobotError(
                f"{ranks} processes for {len(items)} {what}: start at most {len(items)}"
            )
        return list(items)
    return list(items[rank::ranks])


def gathered(items: Sequence[Item]) -> list[Item]:
    """What every process made of its :func:`own_share`, in the order of all; on every process."""
    ranks = idist.get_world_size()
    if ranks == 1:
        return list(items)
    shares: list[Any] = [None] * ranks
    dist.all_gather_object(shares, list(items))
    longest = max(len(share) for share in shares)
    return [share[place] for place in range(longest) for share in shares if place < len(share)]


def train_together(network: nn.Module, device: torch.device) -> DistributedDataParallel:
    """The network of this process as one of several that are trained alike.

    All of them begin with the parameters and buffers of the first one. After that buffers are not
    sent, as PyTorch would with every step: there are none that training changes. Parameters that a
    step leaves out are looked for, as the mask decoder's quality head, which boxes do not train.

    Args:
        network: the network with its loss, on the device.
        device: of this process.
    """
    together = DistributedDataParallel(
        network,
        device_ids=[device] if device.type == "cuda" else None,
        find_unused_parameters=True,
    )
    # Given to the constructor it would leave the buffers out of what is sent at the start, too.
    together.broadcast_buffers = False
    return together


def end_processes(network: nn.Module) -> None:
    """Wait for the first process, which may still write, and end the group with its threads.

    DistributedDataParallel's reducer holds the process group: gloo's threads outlive
    ``destroy_process_group`` as long as it does, and a C++ thread that lives while the interpreter
    ends can abort the process. The network cannot be trained any further.

    Args:
        network: the one that was trained, wrapped or not.
    """
    idist.barrier()
    if isinstance(network, DistributedDataParallel):
        for holder in ("reducer", "logger", "process_group"):
            setattr(network, holder, None)
        gc.collect()
    idist.finalize()
