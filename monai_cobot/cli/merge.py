"""``monai-cobot merge``: an adapter in SAM's own weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="Adapter file of a training.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT.pth", help="Where to; OUT.pth.json describes it.")
    ],
    sam_checkpoint: Annotated[
        str | None, typer.Option(help="Weights of SAM, the same file as in the training.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files.")] = False,
) -> None:
    """Fold and merge an adapter: a plain SAM checkpoint with the same masks."""
    from monai_cobot.sam import merge_adapter

    manifest = merge_adapter(adapter, output, sam_checkpoint, overwrite)
    for missing in manifest["left_out"]:
        typer.echo(f"warning: {output} lacks {missing}", err=True)
    typer.echo(f"{output}: loads in {manifest['loads_in']}")
