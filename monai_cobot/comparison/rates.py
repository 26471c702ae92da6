"""Which rates are tried: as many settings for every method, whatever it has to be set."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monai_cobot.errors import CobotError

MEDICAL = [1.25e-6, 1.25e-5, 1.25e-4]
OTHERS = [1e-4, 1e-3, 1e-2]
DRAW = 0
"""Seed of the draw of settings: the same for all methods, datasets and comparisons."""


def paper_rates(modality: str) -> list[float]:
    """The list in which the paper searches the orchestration's rate, by the data's modality."""
    return MEDICAL if modality in ("CT", "MR", "US") else OTHERS


@dataclass(frozen=True)
class Rates:
    """One setting that is tried.

    Attributes:
        lr: of adapters and mask decoder.
        orchestration_lr: of the orchestration; None where there is none.
        relation_lr: of its relation matrix; None where that learns at ``orchestration_lr``.
    """

    lr: float
    orchestration_lr: float | None = None
    relation_lr: float | None = None

    def ids(self) -> dict[str, Any]:
        """As ids of the bundle."""
        return {name: float(rate) for name, rate in vars(self).items() if rate is not None}

    def __str__(self) -> str:
        return " ".join(f"{name} {value:g}" for name, value in self.ids().items())

    @property
    def folder(self) -> str:
        """Name of the trial's folder."""
        return str(self).replace(" ", "_")

    def with_share(self, share: float) -> Rates:
        """The same with a ``relation_lr`` of so much of ``orchestration_lr``, if there is one."""
        if self.orchestration_lr is None:
            return self
        return replace(self, relation_lr=self.orchestration_lr * share)

    @classmethod
    def draw(
        cls,
        lists: Mapping[str, Sequence[float]],
        names: Sequence[str],
        trials: int,
        method: str,
        relation_share: float | None = None,
    ) -> list[Rates]:
        """As many settings as there are trials.

        Args:
            lists: name of a rate -> values.
            names: those that the method has to be set; without a list a rate is left out.
            trials: how many.
            method: its name, for the error.
            relation_share: sets ``relation_lr`` to this share of ``orchestration_lr``.

        Where there are more combinations, they are drawn so that each value of each list comes
        about equally often (a Latin hypercube on the lists).

        Raises:
            CobotError: there are fewer combinations than trials.
        """
        names = [name for name in names if name in lists]
        axes = [list(lists[name]) for name in names]
        grid = list(itertools.product(*axes))
        if len(grid) < trials:
            raise CobotError(
                f"{method} has {len(grid)} settings of its rates and {trials} trials are asked "
                "for, as many for every method: give it more rates, or fewer trials"
            )
        settings = grid if len(grid) == trials else _hypercube(axes, trials)
        found = [cls(**dict(zip(names, setting, strict=True))) for setting in settings]
        return found if relation_share is None else [r.with_share(relation_share) for r in found]


def _hypercube(axes: Sequence[Sequence[float]], trials: int) -> list[tuple[float, ...]]:
    """So many different settings, drawn so that values come about equally often."""
    generator = np.random.default_rng(DRAW)
    chosen: list[tuple[float, ...]] = []
    while len(chosen) < trials:
        columns = [_spread(axis, trials, generator) for axis in axes]
        for setting in zip(*columns, strict=True):
            if setting not in chosen and len(chosen) < trials:
                chosen.append(setting)
    return chosen


def _spread(axis: Sequence[float], count: int, generator: np.random.Generator) -> list[float]:
    """So many values of a list in random order, each before any comes again."""
    values: list[float] = []
    while len(values) < count:
        values += [axis[place] for place in generator.permutation(len(axis))]
    return values[:count]
