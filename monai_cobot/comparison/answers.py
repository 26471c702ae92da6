"""The rows of a comparison: what each answer scored on each dataset, and what it cost."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from monai_cobot.bundle import adapter_file
from monai_cobot.comparison import step_cost
from monai_cobot.comparison.comparing import Compared
from monai_cobot.comparison.names import ZERO_SHOT
from monai_cobot.comparison.study import Study
from monai_cobot.metrics import BOX, CLINICAL, TRIVIAL_ANSWERS, Row, read_csv, series_name


@dataclass(frozen=True)
class Cost:
    """What a training cost and left.

    Attributes:
        adapter_parameters: trained in the encoder, orchestration included.
        trained_parameters: all that is trained, mask decoder (and organ prompts) included.
        seconds_per_step: median over the steps, mean over the seeds.
        peak_memory_bytes: the highest of the seeds.
        memory_of: ``process`` or ``GPU, allocated``.
        checkpoint_bytes: size of the adapter file.
    """

    adapter_parameters: int
    trained_parameters: int
    seconds_per_step: float
    peak_memory_bytes: int
    memory_of: str
    checkpoint_bytes: int

    @classmethod
    def of(cls, folders: Sequence[Path]) -> Cost:
        """Read the costs of trainings that differ in the seed alone, one folder each."""
        found = [json.loads((folder / step_cost.FILE).read_text()) for folder in folders]
        counts = found[0]["trainable"]
        file = adapter_file(folders[0])
        return cls(
            counts["peft"] + counts["orchestration"],
            sum(counts.values()),
            float(np.mean([cost["seconds_per_step"] for cost in found])),
            max(cost["peak_memory_bytes"] for cost in found),
            found[0]["memory_of"],
            file.stat().st_size if file else 0,
        )


@dataclass(frozen=True)
class Answer:
    """One row of the comparison on one dataset.

    Attributes:
        dataset: its name.
        name: ``filled box``, ``ellipse``, ``zero shot``, or the method's name in the plan.
        score: ``dice`` or ``iou``, the one that tables show.
        rows: of ``metrics.csv`` by the seed of the training.
        cost: None where nothing was trained.
        planned: seeds of the plan; more than there are rows of, where one is broken.

    Scores are of targets that the truth has: the same patients for all answers and seeds. What is
    predicted where the truth has nothing is counted apart, as false findings.
    """

    dataset: str
    name: str
    score: str
    rows: Mapping[int, Sequence[Row]] = field(repr=False)
    cost: Cost | None = None
    planned: int = 1

    @property
    def incomplete(self) -> str:
        """``1 of 2 seeds`` where seeds are missing, else empty."""
        missing = self.cost is not None and len(self.rows) < self.planned
        return f"{len(self.rows)} of {self.planned} seeds" if missing else ""

    @property
    def method(self) -> str | None:
        """Name of the method in the plan; None where nothing was trained."""
        return None if self.cost is None else self.name

    @property
    def trivial(self) -> bool:
        """Whether the boxes alone gave the answer."""
        return any(row.trivial for rows in self.rows.values() for row in rows)

    def by_patient(self, score: str) -> dict[int, dict[str, float]]:
        """For each seed each patient's mean over its targets."""
        return {seed: patient_means(rows, score) for seed, rows in self.rows.items()}

    def of_patients(self, score: str, seeds: Iterable[int] | None = None) -> dict[str, float]:
        """Each patient's mean over the seeds, or over some of them."""
        chosen = self.rows if seeds is None else seeds
        found = [patient_means(self.rows[seed], score) for seed in chosen]
        names = [name for name in found[0] if all(name in one for one in found)] if found else []
        return {name: float(np.mean([one[name] for one in found])) for name in names}

    @property
    def false_findings(self) -> float:
        """Targets that were predicted and that the truth does not have; mean over the seeds."""
        counts = [
            sum(not row.true_voxels and row.predicted_voxels > 0 for row in rows)
            for rows in self.rows.values()
        ]
        return float(np.mean(counts)) if counts else 0.0

    def seed_means(self, score: str) -> list[float]:
        """Mean over the patients, a number a seed."""
        return [
            float(np.mean(list(found.values()))) if found else math.nan
            for found in self.by_patient(score).values()
        ]

    def mean(self, score: str) -> float:
        """Mean over patients and seeds."""
        return float(np.mean(self.seed_means(score)))

    def deviation(self, score: str) -> float:
        """Deviation of the seeds' means (ddof 1); NaN for fewer than two, or nothing trained."""
        means = self.seed_means(score)
        return float(np.std(means, ddof=1)) if len(means) > 1 else math.nan


def patient_means(rows: Iterable[Row], score: str) -> dict[str, float]:
    """Mean of a score over each patient's targets that the truth has.

    Dice and IoU of these are always numbers, whatever was predicted: all answers have the same.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.true_voxels:
            values.setdefault(row.patient, []).append(getattr(row, score))
    return {patient: float(np.mean(found)) for patient, found in sorted(values.items())}


def collect(compared: Compared) -> list[Answer]:
    """Answers of all datasets: filled box, ellipse, zero shot, then the methods of the plan.

    All are from the same boxes, since all evaluations have one seed. What is broken is left out.
    """
    return [answer for study in compared.studies for answer in _of_study(compared, study)]


def _of_study(compared: Compared, study: Study) -> list[Answer]:
    name, score, first = study.dataset.name, study.dataset.score, study.plan.seeds[0]
    evaluations = {key: step for key, step in compared.evaluated.items() if key[0] == name}
    if not evaluations:
        return []
    rows = {key: clinical_rows(step.folder) for key, step in evaluations.items()}
    some = next(iter(rows.values()))
    answers = [
        Answer(name, series_name(kind, False), score, {first: found})
        for kind in TRIVIAL_ANSWERS
        if (found := [row for row in some if row.method == kind])
    ]
    if (name, None, first) in rows:
        plain = _named(rows[name, None, first], "zero_shot")
        answers.append(Answer(name, ZERO_SHOT, score, {first: plain}))
    for method in study.plan.methods:
        seeds = [seed for seed in study.plan.seeds if (name, method.name, seed) in rows]
        if seeds:
            trained = [compared.trained[name, method.name, seed].folder for seed in seeds]
            named = {seed: _named(rows[name, method.name, seed], method.name) for seed in seeds}
            answers.append(
                Answer(name, method.name, score, named, Cost.of(trained), len(study.plan.seeds))
            )
    return answers


def _named(rows: Sequence[Row], name: str) -> list[Row]:
    """The model's rows, as tables of this comparison call it."""
    return [replace(row, method=name, orchestrate=False) for row in rows if not row.trivial]


def clinical_rows(folder: Path) -> list[Row]:
    """Clinical rows of an evaluation, those from boxes where there are both kinds of prompts."""
    rows = [row for row in read_csv(folder / "metrics.csv") if row.protocol == CLINICAL]
    return [row for row in rows if row.prompts == BOX] or rows


def as_dict(answer: Answer) -> dict[str, Any]:
    """One line of the CSV."""
    line: dict[str, Any] = {
        "dataset": answer.dataset,
        "answer": answer.name,
        "seeds": len(answer.rows) if answer.cost else 0,
        "seeds_planned": answer.planned if answer.cost else 0,
        "patients": len(answer.of_patients("dice")),
        "false_findings": answer.false_findings,
    }
    for score in ("dice", "iou"):
        line |= {score: answer.mean(score), f"{score}_deviation": answer.deviation(score)}
    return line | (vars(answer.cost) if answer.cost else dict.fromkeys(Cost.__dataclass_fields__))
