"""The table of held-out results, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from monai_cobot.pretraining.held_out import HeldOutScore


def print_held_out(scores: Sequence[HeldOutScore]) -> None:
    """Print mean Dice, an answer a row and a jitter a column."""
    jitters = list(dict.fromkeys(score.box_jitter for score in scores))
    values = {(score.answer, score.box_jitter): score.dice for score in scores}
    first = scores[0]
    table = Table(
        title=f"mean Dice on {first.objects} objects of {first.drawings} held-out drawings"
    )
    table.add_column("answer")
    for jitter in jitters:
        table.add_column(jitter, justify="right")
    for answer in dict.fromkeys(score.answer for score in scores):
        table.add_row(answer, *(f"{values[answer, jitter]:.3f}" for jitter in jitters))
    Console().print(table)
