"""`metrics.json`: what the rows say together."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_cobot.metrics import paper, volume
from monai_cobot.metrics.table import Row
from monai_cobot.whole_file import whole_file

SCHEMA = "monai_cobot/metrics/1"
RESAMPLES = 2000
LEVEL = 0.95
GROUP = (
    "method",
    "orchestrate",
    "protocol",
    "prompts",
    "sam",
    "weights",
    "image_size",
    "box_jitter",
    "split_hash",
    "split_by",
)
SCORES = (
    *("dice", "iou", "surface_dice", "hd95_mm", "hd95_px"),
    *("dice_present_slices", "false_ml_absent_slices"),
)

CONVENTIONS = {
    **volume.CONVENTIONS,
    "paper": paper.CONVENTION,
    "paper_pictures": paper.CONVENTION_OF_PICTURES,
    "n": "n is the number of rows with a Dice (volumes that have the organ, or instances of the "
    "class); a score's own n counts its finite values, and mean, std and interval are over these",
    "std": "deviation of the sample (ddof 1); null for fewer than two values",
    "interval": f"{LEVEL:.0%} percentile interval of the mean, {RESAMPLES} bootstrap resamples of "
    "the patients; null for fewer than two patients",
    "mean_over_organs": "mean of the organs' means; std over the cases of each case's mean over "
    "its organs; interval by resampling the patients, all their organs together",
    "mean_over_rows": "every row alike: of pictures every instance, whatever its class",
    "miou": "of pictures: miou_over_instances is the mean IoU of all instances, miou_over_classes "
    "the mean of the classes' means; the paper does not say which of them it prints. "
    "mdice_over_instances and mdice_over_classes are the same of Dice. Crowds (iscrowd) are no "
    "instances",
}


def summarise(rows: Sequence[Row], seed: int = 0) -> dict[str, Any]:
    """Sum up rows a method and organ.

    Args:
        rows: rows of any number of evaluations; each combination of the columns in :data:`GROUP` is
            a group of its own, in which seeds are pooled.
        seed: seed of the bootstrap; an interval depends on it and on its own group alone.

    Returns:
        a dictionary that :func:`write_json` can write: `schema`, `conventions`, `bootstrap`, and
        `groups`, in the order of the rows, each with `organs` (name -> counts and scores),
        `mean_over_organs` and `mean_over_rows`; `instances` counts those of pictures, of volumes it
        is 0. Where there are some, `miou_over_instances`, `miou_over_classes` and the same of
        `mdice` name these means. NaN stands for what cannot be said.
    """
    groups = _grouped(distinct(rows), *GROUP)
    return {
        "schema": SCHEMA,
        "conventions": CONVENTIONS,
        "bootstrap": {"resamples": RESAMPLES, "level": LEVEL, "over": "patients", "seed": seed},
        "groups": [_group(members, seed) for members in groups.values()],
    }


def write_json(summary: Mapping[str, Any], path: str | Path) -> None:
    """Write a summary as strict JSON: NaN and infinity become null. Whole or not at all."""
    text = json.dumps(_strict(summary), indent=2, allow_nan=False)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def distinct(rows: Iterable[Row]) -> list[Row]:
    """Each row once. A trivial answer stands in every evaluation of the same prompts."""
    found: dict[str, Row] = {}
    for row in rows:
        same = replace(row, seed=0, image_size=0) if row.trivial else row
        found.setdefault(repr(same), row)  # as text: NaN is not equal to itself
    return list(found.values())


def _grouped(rows: Iterable[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, name) for name in names), []).append(row)
    return groups


def _group(rows: list[Row], seed: int) -> dict[str, Any]:
    first = rows[0]
    head = {name: getattr(first, name) for name in GROUP}
    draws = _Draws(rows, (seed, zlib.crc32(repr(sorted(head.items())).encode())))
    organs = {organ: members for (organ,), members in _grouped(rows, "organ").items()}
    instances = len({(row.case, row.instance) for row in rows if row.instance})
    over_organs = {score: _over_organs(list(organs.values()), score, draws) for score in SCORES}
    over_rows = {score: _describe(rows, score, draws) for score in SCORES}
    return {
        **head,
        "seeds": sorted({row.seed for row in rows}),
        "cases": len({row.case for row in rows}),
        "patients": len({row.patient for row in rows}),
        "instances": instances,
        "organs": {organ: _organ(members, draws) for organ, members in organs.items()},
        "mean_over_organs": over_organs,
        "mean_over_rows": over_rows,
        **(_named_means(over_rows, over_organs) if instances else {}),
    }


def _named_means(over_rows: Mapping[str, Any], over_organs: Mapping[str, Any]) -> dict[str, Any]:
    """The means of pictures by the names that the field has for them."""
    return {
        f"m{score}_over_{over}": means[score]
        for score in ("iou", "dice")
        for over, means in (("instances", over_rows), ("classes", over_organs))
    }


def _organ(rows: list[Row], draws: _Draws) -> dict[str, Any]:
    true, predicted = (
        np.array([getattr(row, name) > 0 for row in rows])
        for name in ("true_voxels", "predicted_voxels")
    )
    return {
        "n": int(np.isfinite([row.dice for row in rows]).sum()),
        "n_absent": int((~true & ~predicted).sum()),
        "n_missed": int((true & ~predicted).sum()),
        "n_false": int((~true & predicted).sum()),
        **{score: _describe(rows, score, draws) for score in SCORES},
    }


def _describe(rows: list[Row], score: str, draws: _Draws) -> dict[str, Any]:
    values = np.array([getattr(row, score) for row in rows])
    finite = values[np.isfinite(values)]
    return {
        "n": len(finite),
        "mean": float(finite.mean()) if len(finite) else math.nan,
        "std": float(finite.std(ddof=1)) if len(finite) > 1 else math.nan,
        "interval": draws.interval(draws.means(rows, score)),
    }


def _mean(rows: list[Row], score: str) -> float:
    finite = [value for row in rows if math.isfinite(value := getattr(row, score))]
    return float(np.mean(finite)) if finite else math.nan


def _over_organs(organs: list[list[Row]], score: str, draws: _Draws) -> dict[str, Any]:
    rows = [row for members in organs for row in members]
    means = [_describe(members, score, draws)["mean"] for members in organs]
    cases = [_mean(members, score) for members in _grouped(rows, "case", "seed").values()]
    finite, per_case = ([v for v in vs if math.isfinite(v)] for vs in (means, cases))
    resampled = np.stack([draws.means(members, score) for members in organs])
    known = np.isfinite(resampled)
    totals = np.where(known, resampled, 0).sum(axis=0)
    over = np.divide(
        totals, known.sum(axis=0), out=np.full(len(totals), np.nan), where=known.any(axis=0)
    )
    return {
        "n_organs": len(finite),
        "mean": float(np.mean(finite)) if finite else math.nan,
        "std": float(np.std(per_case, ddof=1)) if len(per_case) > 1 else math.nan,
        "interval": draws.interval(over),
    }


class _Draws:
    """The bootstrap's draws of patients, one set for all scores of a group."""

    def __init__(self, rows: list[Row], seed: tuple[int, int]) -> None:
        self.patients = sorted({row.patient for row in rows})
        count = len(self.patients)
        self.place = {patient: index for index, patient in enumerate(self.patients)}
        generator = np.random.default_rng(seed)
        # How often each patient is drawn in each resample: (resamples, patients).
        draws = generator.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
        self.weights = draws.astype(np.float64)

    def means(self, rows: list[Row], score: str) -> NDArray[np.float64]:
        """Mean of the finite values in each resample, NaN where none was drawn."""
        totals, counts = np.zeros(len(self.patients)), np.zeros(len(self.patients))
        for row in rows:
            value = getattr(row, score)
            if math.isfinite(value):
                index = self.place[row.patient]
                totals[index] += value
                counts[index] += 1
        drawn = self.weights @ counts
        out = np.full(len(drawn), np.nan)
        np.divide(self.weights @ totals, drawn, out=out, where=drawn > 0)
        return out

    def interval(self, means: NDArray[np.float64]) -> list[float] | None:
        """Percentile interval of resampled means; None for fewer than two patients."""
        known = means[np.isfinite(means)]
        if len(self.patients) < 2 or not len(known):
            return None
        tail = 100 * (1 - LEVEL) / 2
        return [float(v) for v in np.percentile(known, [tail, 100 - tail])]


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
