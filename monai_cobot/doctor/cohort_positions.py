"""Where organs lie against each other, in a whole cohort: the measure for flips and exchanges.

Compared are displacements between two organs, RAS mm: they do not depend on where the scan begins.
Fewer than three organs say little by themselves; then the centre of the body counts as one, so that
even a single organ has something to lie beside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monai_cobot.doctor.records import CaseRecord, Position

BODY = "(body)"
FEWEST_CASES = 4
"""A case needs three others: with fewer, a median can be one patient's oddity."""

FEWEST_ORGANS = 3

FLOOR_MM, BODY_FLOOR_MM = 10.0, 20.0
"""Deviations below are always usual, between organs and from the centre of the body."""

VOLUME_FLOOR = 0.3
"""Of a logarithm of a volume: a third more or less is always usual."""

CAP = 10.0
"""Beyond ten deviations it does not matter how far."""

TO_DEVIATION = 1.4826
"""Median absolute deviation to standard deviation, of a normal distribution."""

Pair: TypeAlias = tuple[str, str]
Positions: TypeAlias = Mapping[str, Position]


@dataclass(frozen=True)
class Usual:
    """Median and robust deviation, arrays of one shape."""

    median: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, values: Sequence[NDArray[np.float64]], floor: float) -> Usual:
        """Of the values of all cases; the deviation is at least ``floor``."""
        stack = np.stack(values)
        median = np.median(stack, axis=0)
        spread = TO_DEVIATION * np.median(np.abs(stack - median), axis=0)
        return cls(median, np.maximum(spread, floor))

    def misfit(self, value: NDArray[np.float64]) -> float:
        """How many deviations a value is off, mean over its numbers, each at most CAP."""
        return float(np.minimum(np.abs(value - self.median) / self.deviation, CAP).mean())


@dataclass(frozen=True)
class Cohort:
    """What is usual: displacements of pairs of organs (RAS mm), and logarithms of volumes."""

    displacements: Mapping[Pair, Usual]
    volumes: Mapping[str, Usual]

    @classmethod
    def of(cls, records: Sequence[CaseRecord]) -> Cohort:
        """Of all cases together: a median withstands a faulty one among four."""
        displacements: dict[Pair, list[Position]] = {}
        volumes: dict[str, list[NDArray[np.float64]]] = {}
        for record in records:
            points = positions(record)
            for a, b in combinations(sorted(points), 2):
                displacements.setdefault((a, b), []).append(_displacement(points, a, b))
            for name, organ in record.organs.items():
                volumes.setdefault(name, []).append(np.log([organ.millilitres]))
        return cls(
            {
                pair: Usual.of(values, BODY_FLOOR_MM if BODY in pair else FLOOR_MM)
                for pair, values in displacements.items()
                if len(values) >= FEWEST_CASES
            },
            {
                name: Usual.of(values, VOLUME_FLOOR)
                for name, values in volumes.items()
                if len(values) >= FEWEST_CASES
            },
        )

    def position_misfit(self, points: Positions, of: Collection[str] = ()) -> float | None:
        """Mean misfit over the pairs, of those with an organ of ``of``; None without any."""
        few = len(points.keys() - {BODY}) < FEWEST_ORGANS
        values = [
            self.displacements[a, b].misfit(_displacement(points, a, b))
            for a, b in combinations(sorted(points), 2)
            if (not of or a in of or b in of)
            and (a, b) in self.displacements
            and (few or BODY not in (a, b))
        ]
        return float(np.mean(values)) if values else None

    def volume_misfit(self, name: str, millilitres: float) -> float:
        """Misfit of the volume of an organ; 0 where too few cases have it."""
        usual = self.volumes.get(name)
        return 0.0 if usual is None else usual.misfit(np.log([millilitres]))


def positions(record: CaseRecord) -> dict[str, Position]:
    """Centres of the organs and of the body, RAS mm."""
    found = {name: organ.position for name, organ in record.organs.items()}
    return found | ({BODY: record.body} if record.body is not None and found else {})


def _displacement(points: Positions, a: str, b: str) -> Position:
    """From organ to organ, x, y, z; to the body without z, which depends on where a scan begins."""
    return (points[a] - points[b])[: 2 if BODY in (a, b) else 3]
