"""``monai-cobot compare``: methods x datasets x seeds in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_cobot.errors import CobotError


def compare(
    file: Annotated[Path, typer.Argument(help="YAML of the comparison, see docs/compare.md.")],
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Evaluate jittered, scaled and shifted boxes, too.")
    ] = False,
    without_broken: Annotated[
        bool,
        typer.Option("--without-broken", help="Read the test part although a training is broken."),
    ] = False,
) -> None:
    """Try rates, train, evaluate on the test part at the end, and write tables and a page."""
    from monai_cobot.comparison import Comparison, load_plan, write_report

    plan = load_plan(file)
    try:
        tell = lambda line: typer.echo(line, err=True)  # noqa: E731
        compared = Comparison(plan, tell, prompts, without_broken).run()
        files = write_report(plan, compared)
    except KeyboardInterrupt:
        typer.echo("stopped: the same command goes on", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"wrote {', '.join(map(str, files))}")
    held = "; the test part was not read: --without-broken reads it" if compared.withheld else ""
    if compared.broken:
        raise CobotError(
            f"{len(compared.broken)} runs are broken: {'; '.join(compared.broken)}. Mend the "
            f"cause, then the same command runs them alone{held}"
        )
