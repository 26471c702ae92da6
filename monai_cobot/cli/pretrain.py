"""``monai-cobot pretrain``: train the small SAM on drawings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FINAL_DRAWINGS = 500
"""Held-out drawings of the table at the end."""


def pretrain(
    out: Annotated[Path, typer.Option(help="Folder of the run; a stopped one is continued.")],
    config: Annotated[
        Path | None, typer.Option(help="YAML of the recipe; default: small.yaml of the package.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")] = "cpu",
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Stop at this step; the same command without it goes on later."),
    ] = None,
) -> None:
    """Train a small SAM on drawings and export its weights in half precision."""
    from monai_cobot.evaluation import print_mean_scores
    from monai_cobot.pretraining import Pretraining, PretrainingConfig, export_weights

    run = Pretraining(PretrainingConfig.load(config), out, device)
    try:
        run.run(steps, progress=True)
    except KeyboardInterrupt:
        typer.echo(f"stopped at step {run.step}: the same command goes on", err=True)
        raise typer.Exit(130) from None
    if run.finished:
        print_mean_scores(run.evaluate(FINAL_DRAWINGS), "held-out drawings")
        run.save()
        weights = export_weights(run, run.folder / f"sam_{run.config.sam}.safetensors")
        typer.echo(f"weights: {weights}")
