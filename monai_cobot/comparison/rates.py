"""Which rates are tried: as many settings for every method, whatever it has to be set."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """

    lr: float
    orchestration_lr: float | None = None

    def ids(self) -> dict[str, Any]:
        """As ids of the bundle."""
        found = {"lr": float(self.lr)}
        if self.orchestration_lr is not None:
            found["orchestration_lr"] = float(self.orchestration_lr)
        return found

    def __str__(self) -> str:
        return " ".join(f"{name} {value:g}" for name, value in self.ids().items())

    @property
    def folder(self) -> str:
        """Name of the trial's folder."""
        return str(self).replace(" ", "_")

    @classmethod
    def draw(
        cls, lists: Mapping[str, Sequence[float]], orchestrate: bool, trials: int, method: str
    ) -> list[Rates]:
        """As many settings as there are trials.

        Where there are more combinations, they are drawn so that each value of each list comes
        about equally often (a Latin hypercube on the lists).

        Raises:
            CobotError: there are fewer combinations than trials.
        """
        axes = [list(lists["lr"])]
        if orchestrate:
            axes.append(list(lists["orchestration_lr"]))
        grid = list(itertools.product(*axes))
        if len(grid) < trials:
            raise CobotError(
                f"{method} has {len(grid)} settings of its rates and {trials} trials are asked "
                "for, as many for every method: give it more rates, or fewer trials"
            )
        if len(grid) == trials:
            return [cls(*setting) for setting in grid]
        generator = np.random.default_rng(DRAW)
        chosen: list[tuple[float, ...]] = []
        while len(chosen) < trials:
            columns = [_spread(axis, trials, generator) for axis in axes]
            for setting in zip(*columns, strict=True):
                if setting not in chosen and len(chosen) < trials:
                    chosen.append(setting)
        return [cls(*setting) for setting in chosen]


def _spread(axis: Sequence[float], count: int, generator: np.random.Generator) -> list[float]:
    """So many values of a list in random order, each before any comes again."""
    values: list[float] = []
    while len(values) < count:
        values += [axis[place] for place in generator.permutation(len(axis))]
    return values[:count]
