"""Batches of draws that go on where a run was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
from torch.utils.data import Sampler

from monai_cobot.errors import CobotError


class ResumableBatchSampler(Sampler[list[int]]):
    """Endless batches of draws, each known from its number alone.

    Batch b belongs to epoch ``e = b // len(sampler)``. Every epoch goes once through all indices,
    in an order drawn from (seed, e), and its last batch may be short. Index i of epoch e is given
    as draw ``e * length + i``, which is what :class:`~monai_cobot.data.slices.SliceDataset` takes.
    Set ``start_batch`` before iterating to go on at that batch.

    Args:
        length: number of samples of the dataset.
        batch_size: samples a batch.
        seed: of the orders.
        shuffle: False keeps every epoch in order.
        start_batch: number of the first batch given.
        ranks: processes that train together; a batch is dealt out to them, so that it holds
            ``ranks`` times ``batch_size`` samples. A last batch of fewer samples than processes
            gives some of them twice: none may be left waiting for the others' gradients.
        rank: which of the processes this is.

    Raises:
        CobotError: length, batch_size or ranks less than 1, or a rank that is none.
    """

    def __init__(
        self,
        length: int,
        batch_size: int = 1,
        seed: int = 0,
        shuffle: bool = True,
        start_batch: int = 0,
        ranks: int = 1,
        rank: int = 0,
    ) -> None:
        if length < 1 or batch_size < 1:
            raise CobotError(
                f"{length} samples in batches of {batch_size}: both need to be at least 1"
            )
        if not 0 <= rank < ranks:
            raise CobotError(f"rank {rank} of {ranks} processes: ranks count from 0")
        self.length, self.batch_size = length, batch_size
        self.ranks, self.rank = ranks, rank
        self.seed, self.shuffle, self.start_batch = seed, shuffle, start_batch

    def __len__(self) -> int:
        """Count the batches of one epoch."""
        together = self.batch_size * self.ranks
        return (self.length + together - 1) // together

    def __iter__(self) -> Iterator[list[int]]:
        """Give batches of draws from ``start_batch`` on, without end."""
        first_epoch, skipped = divmod(self.start_batch, len(self))
        for epoch in count(first_epoch):
            draws = self._draws(epoch)
            for batch in range(skipped, len(self)):
                yield self._share(draws, batch)
            skipped = 0

    def _share(self, draws: list[int], batch: int) -> list[int]:
        together = self.batch_size * self.ranks
        dealt = draws[batch * together : (batch + 1) * together]
        while len(dealt) < self.ranks:
            dealt = dealt + dealt
        return dealt[self.rank :: self.ranks]

    def _draws(self, epoch: int) -> list[int]:
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.length)
        draws: list[int] = (order + epoch * self.length).tolist()
        return draws
