"""``monai-cobot export-peft``: a LoRA for Hugging Face's peft and transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export_peft(
    adapter: Annotated[
        Path, typer.Argument(metavar="ADAPTER", help="Adapter file of a training with LoRA.")
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUT_DIR", help="A new or empty folder, see docs/export.md.")
    ],
    sam_checkpoint: Annotated[
        str | None, typer.Option(help="Weights of SAM, the same file as in the training.")
    ] = None,
    with_base: Annotated[
        bool,
        typer.Option("--with-base", help="Write SAM itself too, for transformers: OUT_DIR/base."),
    ] = False,
) -> None:
    """Write a LoRA, with or without orchestration, as peft weights for transformers' SamModel."""
    from monai_cobot import export

    manifest = export.export_peft(adapter, output, sam_checkpoint, with_base)
    for missing in manifest["left_out"]:
        typer.echo(f"warning: {output} lacks {missing}", err=True)
    typer.echo(f"{output}: loads with peft.PeftModel.from_pretrained, see docs/export.md")
