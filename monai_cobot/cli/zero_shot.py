"""``monai-cobot zero-shot``: what a SAM is worth before it is fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from monai_cobot.evaluation import ZeroShotScore
    from monai_cobot.pretraining import HeldOutScore


def zero_shot(
    data_dir: Annotated[Path, typer.Argument(help="Folder with a folder a dataset: BRAST, …")],
    sam: Annotated[str, typer.Option(help="small, vit_b, vit_l or vit_h.")] = "small",
    sam_checkpoint: Annotated[
        str | None, typer.Option(help="Weights; small has its own; random for random ones.")
    ] = None,
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
    scores: list[ZeroShotScore] = []
    if drawings:
        scores += map(as_zero_shot, score_held_out(network, drawings))
    chosen = evaluation.SUBSETS if subsets is None else tuple(subsets.split(","))
    scores += evaluation.zero_shot(network, base, data_dir, chosen, out, progress=True)
    print_zero_shot(scores, f"{base.sam}, weights {base.weights}, {base.image_size} px")


def as_zero_shot(score: HeldOutScore) -> ZeroShotScore:
    """A score on drawings, in the words of the table."""
    from monai_cobot.evaluation import ZeroShotScore

    answer = "zero shot" if score.answer == "sam" else score.answer.replace("_", " ")
    return ZeroShotScore(
        dataset="drawings",
        box_jitter=score.box_jitter,
        answer=answer,
        dice=score.dice,
        deviation=score.deviation,
        targets=score.objects,
        patients=score.drawings,
    )


def print_zero_shot(scores: Sequence[ZeroShotScore], title: str) -> None:
    """Print a table a jitter: a dataset a row, an answer a column."""
    console = Console()
    for jitter in dict.fromkeys(score.box_jitter for score in scores):
        found = [score for score in scores if score.box_jitter == jitter]
        answers = list(dict.fromkeys(score.answer for score in found))
        table = Table(title=f"mean Dice, boxes {jitter} ({title})")
        for name in ("dataset", "targets", *answers):
            table.add_column(name, justify="left" if name == "dataset" else "right")
        for dataset in dict.fromkeys(score.dataset for score in found):
            row = {score.answer: score for score in found if score.dataset == dataset}
            cells = [f"{row[answer].dice:.3f}" for answer in answers]
            table.add_row(dataset, str(next(iter(row.values())).targets), *cells)
        console.print(table)
