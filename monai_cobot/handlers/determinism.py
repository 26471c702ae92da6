"""Every iteration's randomness as a function of the seed and its number alone."""

from __future__ import annotations

import torch
from ignite.engine import Engine, Events


class SeedIterations:
    """Seeds torch before every training iteration, so that dropout can be replayed after a stop.

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
        torch.manual_seed((self.seed * 1_000_003 + engine.state.iteration) % 2**63)
