"""``monai-cobot zero-shot``: what a SAM is worth before it is fine-tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def zero_shot(
    data_dir: Annotated[Path, typer.Argument(help="Folder with a folder a dataset: BRAST, …")],
    sam: Annotated[str, typer.Option(help="small, vit_b, vit_l or vit_h.")] = "small",
    sam_checkpoint: Annotated[str | None, typer.Option(help="File of weights, or random.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of SAM's input, pixels.")] = None,
    subsets: Annotated[
        str | None, typer.Option(help="Codes of datasets with commas; default: all seven.")
    ] = None,
    drawings: Annotated[int, typer.Option(help="Held-out drawings that are scored too.")] = 200,
    out: Annotated[Path | None, typer.Option(help="Folder for metrics.csv a dataset.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")] = "cpu",
) -> None:
    """Mean Dice with box prompts on real data and drawings, beside filled box and ellipse."""
    from monai_cobot import evaluation
    from monai_cobot.pretraining import score_held_out
    from monai_cobot.sam import load_base

    network, base = load_base(sam, sam_checkpoint, image_size)
    network = network.to(device)
    chosen = evaluation.SUBSETS if subsets is None else tuple(subsets.split(","))
    real = [*evaluation.zero_shot(network, base, data_dir, chosen, out, progress=True)]
    scores = [*score_held_out(network, base, drawings), *real]
    title = f"{base.sam}, weights {base.weights}, {base.image_size} px"
    evaluation.print_mean_scores(scores, title)
