"""``monai-cobot segment``: label maps for new images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

STOPPED = "stopped: the same command with --skip-existing goes on"
STOPPED_OVER = (
    "stopped: label maps of the cases that summary.json calls waiting are those of the earlier run"
)


def segment(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A NIfTI file, a folder of them, a folder of one DICOM series, or one of such "
            "folders.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(metavar="OUTPUT", help="Folder for <case>_seg.nii.gz and summary.json."),
    ],
    bundle: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    prompts: Annotated[
        Path | None, typer.Option(help="JSON of boxes, see docs/prompts.md.")
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(help="Adapter file of a training; default: models/adapter.safetensors."),
    ] = None,
    sam_checkpoint: Annotated[
        str | None, typer.Option(help="Weights of SAM, the same file as in the training.")
    ] = None,
    organ_table: Annotated[
        Path | None, typer.Option(help="Organ table of the training, where it had one.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, …; default: CUDA if there is one.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="SeriesInstanceUID, where the folder has several series.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out cases that have a result.")
    ] = False,
) -> None:
    """Segment volumes with a bundle, in the geometry of each source.

    A case that fails is reported and the rest go on; then the exit status is 1.
    """
    from monai_cobot import segmentation
    from monai_cobot.pretraining.training import checked_device

    place = segmentation.Output.of(output, overwrite, skip_existing)
    inference = segmentation.BundleInference(
        bundle,
        adapter,
        sam_checkpoint,
        None if device is None else checked_device(device),
        organ_table,
    )
    try:
        summary = segmentation.segment(
            source, place, inference, prompts, series, progress=sys.stderr.isatty()
        )
    except KeyboardInterrupt:
        typer.echo(STOPPED_OVER if overwrite else STOPPED, err=True)
        raise typer.Exit(130) from None
    segmentation.print_summary(summary)
    typer.echo(f"results: {place.folder}")
    if summary.named("failed"):
        raise typer.Exit(1)
