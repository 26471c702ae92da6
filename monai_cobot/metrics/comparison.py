"""Several evaluations of the same test cases, laid side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from monai_cobot.errors import CobotError
from monai_cobot.metrics.organ_table import MEAN, OrganDice, OrganTable
from monai_cobot.metrics.table import BOX, CLINICAL, Row
from monai_cobot.metrics.trivial import TRIVIAL_ANSWERS

_TRIVIAL_FIRST = ("ellipse", "filled_box")
_UNTRAINED = (*TRIVIAL_ANSWERS, "zero_shot", "freeze")
_ALIKE = ("split_hash", "split_by", "image_size")
_ALIKE_IN_MODELS = ("sam", "weights")

# Dice by what is scored: case, organ and instance. One of these a training.
_Scores = dict[tuple[str, str, str], float]


def compare_by_organ(rows: Sequence[Row]) -> OrganTable:
    """Lay out the clinical Dice of several evaluations, an organ a row, an answer a column.

    Columns are ellipse and filled box, then the models in the order of their rows.

    Args:
        rows: of `metrics.csv`, one evaluation a method and seed. The seed that an evaluation was
            *run* with decides on the jitter of its boxes: it must be the same in all of them.

    Raises:
        CobotError: no clinical rows; evaluations that differ in boxes, split, cases or base model;
            two Dice of one answer, seed and target.
    """
    rows = sorted(
        (row for row in rows if row.protocol == CLINICAL),
        key=lambda row: _TRIVIAL_FIRST.index(row.method) if row.trivial else len(_TRIVIAL_FIRST),
    )
    if not rows:
        raise CobotError("there are no clinical rows to lay out by organ: run an evaluation")
    _check_alike(rows, _ALIKE)
    _check_alike([row for row in rows if row.prompts == BOX], ["box_jitter"])
    _check_alike([row for row in rows if not row.trivial], _ALIKE_IN_MODELS)
    found = _by_answer_and_seed(rows)
    _check_targets(found)
    untrained = {row.series for row in rows if row.method in _UNTRAINED}
    organs = list(dict.fromkeys(row.organ for row in rows))
    scores = [
        _cell(organ, answer, list(seeds.values()), answer in untrained)
        for organ in [*organs, MEAN]
        for answer, seeds in found.items()
    ]
    return OrganTable(_caption(rows), (*organs, MEAN), tuple(found), tuple(scores))


def _by_answer_and_seed(rows: Iterable[Row]) -> dict[str, dict[int, _Scores]]:
    """The scores of every training; what was not trained stands under seed 0, once."""
    found: dict[str, dict[int, _Scores]] = {}
    for row in rows:
        seed = 0 if row.method in _UNTRAINED else row.seed
        scores = found.setdefault(row.series, {}).setdefault(seed, {})
        earlier = scores.setdefault((row.case, row.organ, row.instance), row.dice)
        if str(earlier) != str(row.dice):  # as text: NaN is not equal to itself
            raise CobotError(
                f"{row.series} (seed {row.seed}) has two Dice of {row.organ} in {row.case}, "
                f"{earlier:.4f} and {row.dice:.4f}: give one evaluation a method and seed, and "
                "run all evaluations with the same --seed, so that all get the same boxes"
            )
    return found


def _check_alike(rows: Sequence[Row], columns: Iterable[str]) -> None:
    for column in columns:
        values = dict.fromkeys(str(getattr(row, column)) for row in rows)
        if len(values) > 1:
            raise CobotError(
                f"the evaluations differ in {column} ({', '.join(values)}): give those of one "
                "comparison, or leave out --by-organ"
            )


def _check_targets(found: Mapping[str, Mapping[int, _Scores]]) -> None:
    """Refuses means over different cases."""
    wanted = {target for seeds in found.values() for scores in seeds.values() for target in scores}
    for answer, seeds in found.items():
        for seed, scores in seeds.items():
            if missing := sorted(wanted - set(scores)):
                case, organ, _ = missing[0]
                raise CobotError(
                    f"{answer} (seed {seed}) lacks scores that others have, as of {organ} in "
                    f"{case}: evaluate all on the same cases"
                )


def _cell(organ: str, answer: str, trainings: Sequence[_Scores], untrained: bool) -> OrganDice:
    means = [_organ_means(scores) for scores in trainings]
    values = [_mean(m.values()) if organ == MEAN else m[organ] for m in means]
    first = trainings[0]
    return OrganDice(
        organ=organ,
        answer=answer,
        n=len({case for case, *_ in first})
        if organ == MEAN
        else sum(name == organ and not math.isnan(dice) for (_, name, _), dice in first.items()),
        seeds=0 if untrained else len(trainings),
        dice=_mean(values),
        deviation=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
    )


def _organ_means(scores: _Scores) -> dict[str, float]:
    by_organ: dict[str, list[float]] = {}
    for (_, organ, _), dice in scores.items():
        by_organ.setdefault(organ, []).append(dice)
    return {organ: _mean(found) for organ, found in by_organ.items()}


def _mean(values: Iterable[float]) -> float:
    """Mean of the finite values, NaN for none."""
    finite = [value for value in values if not math.isnan(value)]
    return float(np.mean(finite)) if finite else math.nan


def _caption(rows: Sequence[Row]) -> str:
    cases = len({row.case for row in rows})
    models = [row for row in rows if not row.trivial]
    parts = [
        f"Dice per organ, mean over {cases} test case{'s' * (cases != 1)} (± deviation over seeds)",
        *(
            f"box prompts from the truth, {row.box_jitter}, alike for all answers"
            for row in [row for row in rows if row.prompts == BOX][:1]
        ),
        *(f"SAM {row.sam} ({row.weights}) at {row.image_size} px" for row in models[:1]),
    ]
    return "; ".join(parts)
