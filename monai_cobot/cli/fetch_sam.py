"""``monai-cobot fetch-sam``: SAM's official weights, checked against their hash."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    name: Annotated[str, typer.Argument(help="vit_b (375 MB), vit_l (1.2 GB) or vit_h (2.6 GB).")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to; default: the user's cache folder.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Address of the file, where Meta's cannot be reached.")
    ] = None,
) -> None:
    """Download a SAM checkpoint; a download that broke off goes on where it stood."""
    from monai_cobot.sam.fetch import fetch_sam

    typer.echo(fetch_sam(name, folder, url))
