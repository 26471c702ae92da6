"""What a comparison says as CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monai_cobot.comparison.answers import Answer, Cost, as_dict
from monai_cobot.comparison.comparing import Compared
from monai_cobot.comparison.differences import Difference
from monai_cobot.comparison.prompts import as_dicts, prompt_scores
from monai_cobot.comparison.published import Published
from monai_cobot.whole_file import whole_file

SCHEMA = "monai_cobot/comparison/1"
NONE = "–"
NOTES = (
    "Scores in percent: mean over the test patients, then over the seeds; ± is the deviation of "
    "the seeds' means (ddof 1). A patient counts as the mean over its targets. Boxes are made from "
    "the truth (oracle boxes), the same for all rows. Rates were chosen on the validation part, "
    "with equally many trials a method. Parameters are those in the encoder, orchestration "
    "included; the mask decoder is trained too. Costs are those on the first dataset. Seconds a "
    "step depend on what else the machine did: compare them only where that was nothing."
)
TEXT_COLUMNS = ("method", "dataset", "answer", "first - second", "rates", "")
"""Headings of columns that are read from the left; the others hold numbers."""

Line = list[str]


def table_lines(answers: Sequence[Answer], published: Sequence[Published]) -> list[Line]:
    """The form of the paper's Table 4: a method a row, a dataset a column, then the costs."""
    datasets = {answer.dataset: answer.score for answer in answers}
    heading = [f"{name} {_SHOWN[score]}, %" for name, score in datasets.items()]
    lines = [["method", *heading, "parameters", "seconds a step", "peak memory", "checkpoint"]]
    for name in dict.fromkeys(answer.name for answer in answers):
        row = {answer.dataset: answer for answer in answers if answer.name == name}
        cells = [_score(row[dataset]) if dataset in row else NONE for dataset in datasets]
        lines.append([name, *cells, *_costs(next(iter(row.values())).cost)])
    for name in dict.fromkeys(number.name for number in published):
        printed = {number.dataset: str(number) for number in published if number.name == name}
        cells = [printed.get(dataset, NONE) for dataset in datasets]
        lines.append([name, *cells, *[NONE] * 4])
    return lines


def captions(compared: Compared, answers: Sequence[Answer]) -> list[str]:
    """For each dataset what its rows share: patients, seeds, base model, boxes, split.

    Rows that differ have a line of their own, and so have those that lack seeds, or found what the
    truth does not have.
    """
    found = []
    for study in compared.studies:
        name, seeds = study.dataset.name, ", ".join(map(str, study.plan.seeds))
        rows = [answer for answer in answers if answer.dataset == name]
        alike: dict[str, list[str]] = {}
        for answer in rows:
            if not answer.trivial:
                alike.setdefault(_conditions(answer), []).append(answer.name)
        for conditions, names in alike.items():
            which = f" ({', '.join(names)})" if len(alike) > 1 else ""
            found.append(
                f"{name}{which}: {conditions}; seeds {seeds}; split {study.split_hash[:12]}."
            )
        found += [
            f"{name}, {answer.name}: {answer.incomplete} alone ({', '.join(map(str, answer.rows))})"
            "; the others are broken."
            for answer in rows
            if answer.incomplete
        ]
        found += [
            f"{name}, {answer.name}: {answer.false_findings:g} findings where the truth has none "
            "(mean over the seeds), in no score."
            for answer in rows
            if answer.false_findings
        ]
    return found


def _conditions(answer: Answer) -> str:
    first = next(row for rows in answer.rows.values() for row in rows)
    return (
        f"{len(answer.of_patients('dice'))} test patients; SAM {first.sam}, weights "
        f"{first.weights}, {first.image_size} px; boxes {first.box_jitter or 'none'}"
    )


def difference_lines(found: Sequence[Difference]) -> list[Line]:
    """A pair a row; the interval has as many decimals as the mean, which has two digits."""
    lines = [
        ["dataset", "first - second", "patients", "seeds", "difference, points", "95 % interval",
         "p"],
    ]  # fmt: skip
    for pair in found:
        digits = _decimals(100 * pair.mean)
        mean, low, high = (
            NONE if math.isnan(value) else f"{100 * value:+.{digits}f}"
            for value in (pair.mean, pair.low, pair.high)
        )
        lines.append([
            pair.dataset, f"{pair.first} - {pair.second}", str(pair.patients), str(pair.seeds),
            mean, NONE if low == NONE else f"{low} to {high}",
            NONE if math.isnan(pair.p) else f"{pair.p:.2g}",
        ])  # fmt: skip
    return lines


def _decimals(value: float) -> int:
    """So many show two significant digits; at least 1 and at most 4."""
    if math.isnan(value) or value == 0:
        return 1
    return min(4, max(1, 1 - math.floor(math.log10(abs(value)))))


def trial_lines(compared: Compared) -> list[Line]:
    """A trial a row; the chosen one is marked."""
    lines = [["dataset", "method", "rates", "validation Dice", ""]]
    for study in compared.studies:
        for method in study.plan.methods:
            chosen = compared.chosen(study, method)
            trials = compared.trials.get((study.dataset.name, method.name), {})
            for rates, dice in trials.items():
                mark = "chosen" if rates == chosen else ""
                lines.append([study.dataset.name, method.name, str(rates), f"{dice:.4f}", mark])
    return lines


def markdown(sections: Mapping[str, Sequence[Line]], notes: Sequence[str]) -> str:
    """Tables under their headings."""
    parts = ["# Comparison", ""]
    for title, (heading, *body) in sections.items():
        ruler = ["---" if cell in TEXT_COLUMNS else "---:" for cell in heading]
        parts += [f"## {title}", ""]
        parts += ["| " + " | ".join(line) + " |" for line in (heading, ruler, *body)]
        parts.append("")
    return "\n".join([*parts, *notes, ""])


def write_csv(answers: Sequence[Answer], path: Path) -> None:
    """A line an answer and dataset; what cannot be said is empty."""
    lines = [as_dict(answer) for answer in answers]
    with whole_file(path) as file, file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(lines[0]) if lines else ["dataset", "answer"])
        writer.writeheader()
        writer.writerows({k: "" if v != v else v for k, v in line.items()} for line in lines)


def as_json(
    compared: Compared, answers: Sequence[Answer], found: Sequence[Difference]
) -> dict[str, Any]:
    """All numbers, the trials, and the runs that are broken."""
    return {
        "schema": SCHEMA,
        "notes": NOTES,
        "splits": {study.dataset.name: study.split_hash for study in compared.studies},
        "answers": [
            as_dict(answer) | {"by_patient": {s: answer.of_patients(s) for s in ("dice", "iou")}}
            for answer in answers
        ],
        "differences": [asdict(pair) for pair in found],
        "trials": [dict(zip(("dataset", "method", "rates", "validation_dice", "chosen"), line,
                            strict=True)) for line in trial_lines(compared)[1:]],
        "prompts": as_dicts(prompt_scores(compared)),
        "broken": compared.broken,
        "test_withheld": compared.withheld,
        "without_broken": compared.without_broken,
    }  # fmt: skip


_SHOWN = {"dice": "Dice", "iou": "IoU"}


def _score(answer: Answer) -> str:
    mean, deviation = answer.mean(answer.score), answer.deviation(answer.score)
    shown = f"{100 * mean:.1f}"
    shown = shown if math.isnan(deviation) else f"{shown} ± {100 * deviation:.1f}"
    return f"{shown} ({answer.incomplete})" if answer.incomplete else shown


def _costs(cost: Cost | None) -> Line:
    if cost is None:
        return [NONE] * 4
    return [
        f"{cost.adapter_parameters:,}",
        f"{cost.seconds_per_step:.3g}",
        f"{cost.peak_memory_bytes / 2**20:,.0f} MiB ({cost.memory_of})",
        f"{cost.checkpoint_bytes / 2**20:.2f} MiB",
    ]
