"""Every iteration's randomness as a function of the seed and its number alone."""

from __future__ import annotations

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

RANKS_APART = 2_654_435_769
"""Between the seeds of two processes: 2^32 over the golden ratio. PyTorch's generator on the CPU
takes the lowest 32 bits of a seed, and there the multiples of this odd number lie far apart."""


class SeedIterations:
    """Seeds torch before every training iteration, so that dropout can be replayed after a stop.

    Of several processes each has numbers of its own, or they would drop the same units of their
    slices; the first one has those of one process alone. What is drawn of the data has its own
    generators.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the trainer."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seeds the iteration that is about to run."""
        seed = self.seed * 1_000_003 + engine.state.iteration
        torch.manual_seed((seed + idist.get_rank() * RANKS_APART) % 2**63)
