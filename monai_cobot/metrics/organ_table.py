"""A table with an organ a row and an answer a column, as text and as files."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from monai_cobot.metrics import palette
from monai_cobot.whole_file import whole_file

MEAN = "mean_over_organs"


@dataclass(frozen=True)
class OrganDice:
    """One cell: the mean Dice of an answer on an organ.

    Attributes:
        organ: its name, or :data:`MEAN`.
        answer: as the table calls it, such as `LoRA + orchestration`.
        n: cases (of pictures: instances) with a Dice; of :data:`MEAN` all cases.
        seeds: trainings with a seed of their own; 0 for what nothing was trained for.
        dice: mean over the cases, then over the seeds; of :data:`MEAN` the mean of the organs.
        deviation: of the sample of the seeds' means (ddof 1); NaN for fewer than two seeds.
    """

    organ: str
    answer: str
    n: int
    seeds: int
    dice: float
    deviation: float

    def __str__(self) -> str:
        """Dice ± deviation, as far as there are any."""
        if math.isnan(self.dice):
            return "–"
        return f"{self.dice:.3f}" + (
            "" if math.isnan(self.deviation) else f" ± {self.deviation:.3f}"
        )


@dataclass(frozen=True)
class OrganTable:
    """Scores by organ and answer.

    Attributes:
        caption: what is the same for all answers: cases, boxes, base model.
        organs: the rows; the last one is :data:`MEAN`.
        answers: the columns.
        scores: one for every row and column, row by row.
    """

    caption: str
    organs: tuple[str, ...]
    answers: tuple[str, ...]
    scores: tuple[OrganDice, ...]

    def lines(self) -> list[list[str]]:
        """The table as text: heading, a line an organ, and the number of seeds."""
        width = len(self.answers)
        rows = [self.scores[start : start + width] for start in range(0, len(self.scores), width)]
        body = [
            [palette.readable(row[0].organ), str(row[0].n), *(str(score) for score in row)]
            for row in rows
        ]
        seeds = ["seeds of the training", "", *(str(score.seeds or "–") for score in rows[-1])]
        return [["organ", "n", *self.answers], *body, seeds]

    def markdown(self) -> str:
        """Caption and table in Markdown."""
        heading, *body = self.lines()
        ruler = ["---", *["---:"] * (len(heading) - 1)]
        table = ["| " + " | ".join(line) + " |" for line in (heading, ruler, *body)]
        return "\n".join([f"{self.caption}.", "", *table, ""])

    def write_csv(self, path: str | Path) -> None:
        """Write a line a cell, the attributes of :class:`OrganDice`; NaN is an empty field."""
        with whole_file(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(OrganDice)])
            writer.writeheader()
            for score in self.scores:
                line = asdict(score)
                writer.writerow({k: "" if value != value else value for k, value in line.items()})
