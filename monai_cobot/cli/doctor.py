"""``monai-cobot doctor``: what is wrong with a dataset, before hours are spent on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from monai_cobot.errors import CobotError


def doctor(
    directory: Annotated[Path, typer.Argument(help="Folder of the dataset, or a datalist JSON.")],
    dataset: Annotated[str | None, typer.Option(help="Code of the dataset: ADOME, COCO, …")] = None,
    organ_table: Annotated[
        Path | None, typer.Option(help="Organ table of a dataset of your own, in its stead.")
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option(help="A split to hold against the cases.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for all findings; it must be new.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --json.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Findings of a kind in the table.")] = 5,
    infos: Annotated[bool, typer.Option("--infos", help="Show notes, and organs found.")] = False,
) -> None:
    """Check every case of a dataset and say what to mend; exit status 1 where errors are found."""
    from monai_cobot.data import datasets
    from monai_cobot.data.organ_table import read_organ_table
    from monai_cobot.doctor import check_dataset, print_diagnosis
    from monai_cobot.whole_file import whole_file

    if json_file is not None and json_file.exists() and not overwrite:
        raise CobotError(f"{json_file} exists: choose another name, or give --overwrite")
    if (dataset is None) == (organ_table is None):
        raise CobotError("give --dataset, the code of a dataset, or --organ-table, one of the two")
    if organ_table is not None:
        spec = read_organ_table(organ_table)
    else:
        code = next((name for name in datasets.names() if name == str(dataset).upper()), dataset)
        spec = datasets.get(str(code))
    diagnosis = check_dataset(directory, spec, split_file, progress=sys.stderr.isatty())
    if json_file is not None:
        with whole_file(json_file) as file:
            file.write_text(json.dumps(diagnosis.to_dict(), indent=1) + "\n", encoding="utf-8")
    print_diagnosis(diagnosis, limit, infos)
    if diagnosis.count("error"):
        raise typer.Exit(1)
