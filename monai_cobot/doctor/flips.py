"""Cases whose affine says other than their anatomy, and cases with exchanged labels.

Two sources: the rest of the cohort, and the anatomy books. A case is flipped if turning its axes
explains the places of its organs much better; two labels are exchanged if exchanging them does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations, product

import numpy as np
from numpy.typing import NDArray

from monai_cobot.doctor.anatomy import SIDES, Relation, relations
from monai_cobot.doctor.cohort_positions import BODY, FEWEST_ORGANS, Cohort, Positions, positions
from monai_cobot.doctor.findings import Finding
from monai_cobot.doctor.records import CaseRecord

FROM, MUCH_BETTER = 1.2, 0.5
"""Mean misfit of a case, in deviations, from which its axes are turned for a trial, and the share
of it that the right turn may leave. A usual case has about 0.8; synthetic patients have 0.3 to 0.6,
mirrored ones 1.9 and more, of which a tenth to a third is left when they are turned back."""

DOUBTFUL, BETTER = 1.0, 0.6
"""The same of two organs and of their exchange. With synthetic patients an exchange leaves 0.1 to
0.4 of the misfit where it is right, and makes 1.8 times of it and more where nothing is wrong."""

NOISE = 1.0
"""A misfit of place below this says nothing."""

STRANGE = 4.0
"""Mean misfit of one organ that cannot be explained but should be looked at."""

FEWEST_RELATIONS, MOST_VIOLATED = 2, 0.75
"""Relations of the anatomy books along one axis, and their violated share, that make a flip."""

AXES = ("left-right", "front-back", "head-feet")
_FLIP_REMEDY = "look at it in a viewer and mend the affine (or a case of mirrored organs?)"
_SWAP_REMEDY = "exchange the two in the label, or look whether other organs were moved"
_PLACE_REMEDY = "look at it: another organ's label, a stray region, or the wrong side?"


def position_findings(records: Sequence[CaseRecord]) -> Iterator[Finding]:
    """Flipped cases, exchanged labels, and organs in strange places."""
    cohort = Cohort.of(records)
    for record in records:
        if not record.organs:
            continue
        flip = _flip(record, cohort)
        if flip is not None:
            yield flip
            continue
        swap = _swap(record, cohort)
        if swap is not None:
            yield swap[0]
        told = set() if swap is None else set(swap[1])
        yield from _strange_places(record, cohort, told)


def _flip(record: CaseRecord, cohort: Cohort) -> Finding | None:
    turned = _turned_axes(positions(record), cohort)
    if turned:
        few = len(record.organs) < FEWEST_ORGANS
        what = f"organs lie as if {turned}, measured by the other cases"
        severity = "warning" if few else "error"
        return _finding("orientation_flipped", what, _FLIP_REMEDY, record, severity)
    mirrored = {
        axis: violated
        for axis in range(3)
        for held, violated in [_held(record, axis)]
        if len(held) + len(violated) >= FEWEST_RELATIONS
        and len(violated) >= MOST_VIOLATED * (len(held) + len(violated))
    }
    if not mirrored:
        return None
    examples = " and ".join(str(violated[0]) for violated in mirrored.values())
    what = f"organs lie as if {_mirrored(list(mirrored))}: by anatomy, {examples}"
    return _finding("orientation_flipped", what, _FLIP_REMEDY, record)


def _turned_axes(points: Positions, cohort: Cohort) -> str:
    """What was done to the axes, in words; "" where they are as they should be."""
    before = cohort.position_misfit(points)
    if before is None or before <= FROM:
        return ""
    few = len(points.keys() - {BODY}) < FEWEST_ORGANS
    candidates = list(_mirrors() if few else _turns())
    misfits = [
        cohort.position_misfit({name: turn @ point for name, point in points.items()}) or 0.0
        for turn in candidates
    ]
    best = int(np.argmin(misfits))
    return _words(candidates[best]) if misfits[best] <= MUCH_BETTER * before else ""


def _turns() -> Iterator[NDArray[np.float64]]:
    """The 48 ways to name three axes, (3, 3), the identity first."""
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            yield np.eye(3)[list(order)] * np.reshape(signs, (3, 1))


def _mirrors() -> Iterator[NDArray[np.float64]]:
    """Left-right and front-back, each as it is or mirrored."""
    for x, y in product((1.0, -1.0), repeat=2):
        yield np.diag([x, y, 1.0])


def _words(turn: NDArray[np.float64]) -> str:
    if np.count_nonzero(np.diag(turn)) == 3:
        return _mirrored([axis for axis in range(3) if turn[axis, axis] < 0])
    return "axes were exchanged"


def _mirrored(axes: Sequence[int]) -> str:
    names = " and ".join(AXES[axis] for axis in axes)
    return f"{names} {'were' if len(axes) > 1 else 'was'} mirrored"


def _swap(record: CaseRecord, cohort: Cohort) -> tuple[Finding, tuple[str, str]] | None:
    """The pair of labels that fits best when exchanged, and the finding; None without any."""
    points = positions(record)
    doubtful = [
        name
        for name, organ in record.organs.items()
        if (cohort.position_misfit(points, (name,)) or 0.0) > DOUBTFUL
        or cohort.volume_misfit(name, organ.millilitres) > STRANGE
    ]
    fits = [(_exchanged(record, points, cohort, pair), pair) for pair in combinations(doubtful, 2)]
    left, pair = min(fits, default=(1.0, ("", "")))
    if left > BETTER:
        return None
    severity = "warning" if len(record.organs) < FEWEST_ORGANS else "error"
    what = f"{pair[0]} and {pair[1]} fit the other cases much better when exchanged"
    return _finding("labels_swapped", what, _SWAP_REMEDY, record, severity), pair


def _exchanged(
    record: CaseRecord, points: Positions, cohort: Cohort, pair: tuple[str, str]
) -> float:
    """Share of the misfit that is left when two labels are exchanged; 1 where it is no better.

    Places decide; volumes decide where places say nothing, as for a tumour in an organ.
    """
    a, b = pair
    before = cohort.position_misfit(points, pair) or 0.0
    after = cohort.position_misfit({**points, a: points[b], b: points[a]}, pair) or 0.0
    if before > DOUBTFUL:
        return after / before
    volumes = [record.organs[name].millilitres for name in pair]
    small, large = (
        float(np.mean([cohort.volume_misfit(*each) for each in zip(pair, values, strict=True)]))
        for values in (reversed(volumes), volumes)
    )
    return small / large if large > STRANGE / 2 and after <= max(before, NOISE) else 1.0


def _strange_places(record: CaseRecord, cohort: Cohort, told: set[str]) -> Iterator[Finding]:
    points = positions(record)
    for name in record.organs if len(record.organs) > FEWEST_ORGANS else ():
        misfit = cohort.position_misfit(points, (name,)) or 0.0
        if misfit > STRANGE and name not in told:
            told.add(name)
            what = f"{name} lies elsewhere than in the other cases ({misfit:.1f} deviations off)"
            yield _finding("organ_position", what, _PLACE_REMEDY, record)
    for axis in range(3):
        for relation in _held(record, axis)[1]:
            if told.isdisjoint((relation.first, relation.second)):
                way = SIDES[axis][1]
                what = f"{relation.first} lies {way} {relation.second}, against anatomy"
                yield _finding("organ_position", what, _PLACE_REMEDY, record)


def _held(record: CaseRecord, axis: int) -> tuple[list[Relation], list[Relation]]:
    """Relations along an axis that hold, and that are violated."""
    points = positions(record)
    found = [r for r in relations(record.organs) if r.axis == axis]
    excess = [(relation, relation.excess_mm(points)) for relation in found]
    return (
        [relation for relation, value in excess if value is not None and value > 0],
        [relation for relation, value in excess if value is not None and value < 0],
    )


def _finding(
    code: str, what: str, remedy: str, record: CaseRecord, severity: str | None = None
) -> Finding:
    return Finding.of(code, what, remedy, record.truth_file, record.case, severity)
