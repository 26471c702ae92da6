"""What many rows say together: a mean Dice an answer and jitter, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from monai_cobot.metrics import Row, series_name, summarise

JITTERS: tuple[Mapping[str, Any] | None, ...] = (
    None,
    {"mode": "proportional", "size": 0.1},
    {"mode": "symmetric", "size": 50},
)
"""Exact boxes, a tenth of the box's side, and 50 px at 1024: each side in or out."""


@dataclass(frozen=True)
class MeanScore:
    """Mean Dice of one answer on one dataset.

    Attributes:
        dataset: its code, or ``drawings``.
        box_jitter: as the tables say it: ``exact``, ``proportional 0.1``, …
        answer: ``zero shot``, ``filled box``, ``ellipse``.
        dice: mean over the targets, 0 to 1.
        deviation: their standard deviation, NaN for a single one.
        targets: instances of pictures, organs of volumes; those without a Dice left out.
        patients: the groups that the targets come from.
    """

    dataset: str
    box_jitter: str
    answer: str
    dice: float
    deviation: float
    targets: int
    patients: int

    def __str__(self) -> str:
        return f"{self.answer} {self.box_jitter}: {self.dice:.3f}"


def mean_scores(dataset: str, rows: Sequence[Row]) -> list[MeanScore]:
    """Means over the rows' targets, as :func:`~monai_cobot.metrics.summarise` has them."""
    return [
        MeanScore(
            dataset=dataset,
            box_jitter=group["box_jitter"],
            answer=series_name(group["method"], group["orchestrate"]),
            dice=group["mean_over_rows"]["dice"]["mean"],
            deviation=group["mean_over_rows"]["dice"]["std"],
            targets=group["mean_over_rows"]["dice"]["n"],
            patients=group["patients"],
        )
        for group in summarise(rows)["groups"]
    ]


def print_mean_scores(scores: Sequence[MeanScore], title: str) -> None:
    """Print a table: a jitter and dataset a row, an answer a column."""
    answers = list(dict.fromkeys(score.answer for score in scores))
    table = Table(title=f"mean Dice from boxes of the truth ({title})")
    for name in ("boxes", "dataset", "targets", *answers):
        table.add_column(name, justify="left" if name in ("boxes", "dataset") else "right")
    for jitter in dict.fromkeys(score.box_jitter for score in scores):
        found = [score for score in scores if score.box_jitter == jitter]
        for dataset in dict.fromkeys(score.dataset for score in found):
            row = {score.answer: score for score in found if score.dataset == dataset}
            cells = [f"{row[answer].dice:.3f}" if answer in row else "–" for answer in answers]
            table.add_row(jitter, dataset, str(next(iter(row.values())).targets), *cells)
        table.add_section()
    Console().print(table)
