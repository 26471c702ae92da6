"""The console script ``monai-cobot``: a file a command."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

import monai_cobot
from monai_cobot.cli import (
    compare,
    doctor,
    export_peft,
    fetch_sam,
    merge,
    methods,
    phantom,
    pretrain,
    scene,
    scores,
    segment,
    zero_shot,
)
from monai_cobot.errors import CobotError

app = typer.Typer(
    name="monai-cobot",
    help="SAM fine-tuned with SAM-COBOT. Trainings and evaluations are MONAI bundles: "
    "`python -m monai.bundle run`, see the README.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("compare")(compare.compare)
app.command("doctor")(doctor.doctor)
app.command("export-peft")(export_peft.export_peft)
app.command("fetch-sam")(fetch_sam.fetch)
app.command("merge")(merge.merge)
app.command("methods")(methods.methods)
app.command("phantom")(phantom.phantom)
app.command("pretrain")(pretrain.pretrain)
app.command("scene")(scene.scene)
app.command("scores")(scores.scores)
app.command("segment")(segment.segment)
app.command("zero-shot")(zero_shot.zero_shot)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(monai_cobot.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options of the command itself."""


def main() -> None:
    """Runs the command; a user error is one line on stderr and exit status 1."""
    try:
        app()
    except CobotError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"[red]error:[/red] {escape(str(error))}", highlight=False
        )
        sys.exit(1)


__all__ = ["app", "main"]
