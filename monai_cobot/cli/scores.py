"""``monai-cobot scores``: the Dice of one or several evaluations in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_cobot.errors import CobotError

if TYPE_CHECKING:
    from monai_cobot.metrics import Row

TABLE_FILES = ("scores.csv", "scores.md", "scores.png")


def scores(
    files: Annotated[list[Path], typer.Argument(help="metrics.csv of one or more evaluations.")],
    by_organ: Annotated[
        bool,
        typer.Option("--by-organ", help="An organ a row, an answer a column; ± over the seeds."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="With --by-organ: folder for scores.csv, scores.md and scores.png."),
    ] = None,
) -> None:
    """Print Dice per organ of several metrics.csv side by side."""
    from monai_cobot import metrics

    rows = [row for file in files for row in metrics.read_csv(file)]
    if by_organ:
        _by_organ(rows, out)
        return
    if out is not None:
        raise CobotError(f"--out {out} belongs to --by-organ: give both, or none")
    summary = metrics.summarise(rows)
    for protocol in dict.fromkeys(row.protocol for row in rows):
        metrics.print_scores(summary, protocol=protocol)


def _by_organ(rows: list[Row], out: Path | None) -> None:
    """Prints the comparison and writes it; files of the same names are replaced."""
    from monai_cobot import metrics
    from monai_cobot.whole_file import whole_file

    table = metrics.compare_by_organ(rows)
    metrics.print_organ_table(table)
    if out is None:
        return
    csv_file, markdown_file, picture = (out.expanduser() / name for name in TABLE_FILES)
    table.write_csv(csv_file)
    with whole_file(markdown_file) as file:
        file.write_text(table.markdown(), encoding="utf-8")
    metrics.dice_box_plot(metrics.distinct(rows), picture)
    typer.echo(f"the same as files: {', '.join(map(str, (csv_file, markdown_file, picture)))}")
