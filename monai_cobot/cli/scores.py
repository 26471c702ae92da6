"""``monai-cobot scores``: the Dice of one or several evaluations in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def scores(
    files: Annotated[list[Path], typer.Argument(help="metrics.csv of one or more evaluations.")],
) -> None:
    """Print Dice per organ of several metrics.csv side by side."""
    from monai_cobot import metrics

    rows = [row for file in files for row in metrics.read_csv(file)]
    summary = metrics.summarise(rows)
    for protocol in dict.fromkeys(row.protocol for row in rows):
        metrics.print_scores(summary, protocol=protocol)
