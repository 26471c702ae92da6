"""``monai-cobot phantom``: a synthetic cohort to try everything on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def phantom(
    out: Annotated[Path, typer.Option(help="Folder to make; it must be empty or new.")],
    cases: Annotated[int, typer.Option(help="Number of patients.")] = 6,
    seed: Annotated[int, typer.Option(help="Another seed is another cohort.")] = 0,
    shape: Annotated[
        tuple[int, int, int], typer.Option(help="Voxels across, front to back, and slices.")
    ] = (128, 128, 40),
) -> None:
    """Write a synthetic abdominal CT cohort with 13 organs, in FLARE22's layout."""
    from monai_cobot.data.phantom import make_cohort

    folder = make_cohort(out, cases, seed, shape=shape, progress=sys.stderr.isatty())
    typer.echo(f"{cases} synthetic patients in {folder}")
