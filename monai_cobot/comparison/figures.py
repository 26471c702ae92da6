"""Figures of a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from safetensors import safe_open

from monai_cobot.bundle import adapter_file
from monai_cobot.comparison.answers import Answer
from monai_cobot.comparison.comparing import Compared
from monai_cobot.comparison.prompts import draw_prompts, prompt_scores
from monai_cobot.comparison.qualitative import draw_qualitative
from monai_cobot.errors import CobotError
from monai_cobot.metrics import dice_box_plot, palette, relation_heat_maps
from monai_cobot.sam.adapted import RELATION
from monai_cobot.whole_file import whole_file

QUERY_VALUE = ("lora", "dora")
_DPI = 150
_WIDE = 4  # from this ratio on a logarithmic axis has labels that can be read
_SITES = 40  # so many names can be read along a matrix
_MARKERS = "osD^vP"
_CHANGE = (
    "what training changed of the relation matrix (S - I); a row receives, a column gives. Rows "
    "that changed as one are gains of their sites, see docs/method.md"
)


def draw_figures(
    compared: Compared, answers: Sequence[Answer], folder: Path
) -> Iterator[tuple[str, Path]]:
    """Draw them all; yields headline and file."""
    for study in compared.studies:
        dataset = study.dataset.name
        found = [answer for answer in answers if answer.dataset == dataset]
        if not found:
            continue
        file = folder / f"{dataset}_dice.png"
        rows = [row for answer in found for seed in answer.rows.values() for row in seed]
        dice_box_plot(rows, file)
        yield f"{dataset}: Dice by method and organ, a dot a target and seed", file
        if any(answer.cost for answer in found):
            file = folder / f"{dataset}_parameters.png"
            draw_parameters(found, file)
            yield f"{dataset}: Dice against trained parameters", file
        file = folder / f"{dataset}_cases.png"
        try:
            if draw_qualitative(compared, study, found, file):
                yield f"{dataset}: best, median and worst case; truth solid, answer dashed", file
        except (OSError, RuntimeError, CobotError) as error:  # MONAI wraps as RuntimeError
            compared.broken.append(f"{dataset}: no figure of cases, some cannot be read: {error}")
        prompted = [score for score in prompt_scores(compared) if score.dataset == dataset]
        if prompted:
            file = folder / f"{dataset}_prompts.png"
            draw_prompts(prompted, file)
            yield f"{dataset}: Dice by how the boxes were changed, first seed", file
    yield from _relations(compared, folder)


def draw_parameters(answers: Sequence[Answer], path: Path) -> None:
    """Dice against the number of trained parameters, decoder included; answers of one dataset.

    Bars are the deviation of the seeds' means. What was not trained is a dotted line.
    """
    score = answers[0].score
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    models = [answer.name for answer in answers if not answer.trivial]
    for answer in answers:
        round_of, colour = _look(answer, models)
        mean, deviation = answer.mean(score), answer.deviation(score)
        if answer.cost is None:
            axes.axhline(mean, color=colour, linestyle=":", label=answer.name)
            continue
        bar = None if math.isnan(deviation) else deviation
        axes.errorbar(
            answer.cost.trained_parameters,
            mean,
            yerr=bar,
            fmt=_MARKERS[round_of % len(_MARKERS)],
            capsize=3,
            color=colour,
            label=answer.name,
        )
    counts = [answer.cost.trained_parameters for answer in answers if answer.cost]
    if max(counts) > _WIDE * min(counts):
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("trained parameters, mask decoder included")
    axes.set_ylabel({"dice": "Dice", "iou": "IoU"}[score])
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)


def _look(answer: Answer, models: Sequence[str]) -> tuple[int, str]:
    """How often the colours have come round, and the colour: that of the box plot."""
    if answer.trivial:
        first = next(row for rows in answer.rows.values() for row in rows)
        return 0, palette.TRIVIAL[first.method]
    round_of, place = divmod(models.index(answer.name), len(palette.MODELS))
    return round_of, palette.MODELS[place]


def _relations(compared: Compared, folder: Path) -> Iterator[tuple[str, Path]]:
    """The relation matrices of orchestrated methods, a panel a dataset, as in the paper's S-2."""
    for method in compared.studies[0].plan.methods:
        matrices = {}
        for (dataset, name, seed), step in compared.trained.items():
            if name != method.name or seed != compared.studies[0].plan.seeds[0]:
                continue
            with safe_open(str(adapter_file(step.folder)), framework="numpy") as file:
                if RELATION in file.keys():  # noqa: SIM118 (it is no dictionary)
                    matrices[dataset] = file.get_tensor(RELATION)
        sizes = {len(matrix) for matrix in matrices.values()}
        if len(sizes) == 1:
            file_name = folder / f"{method.folder}_relation.png"
            relation_heat_maps(matrices, site_names(method.method, sizes.pop()), file_name)
            yield f"{method.name}: {_CHANGE}", file_name


def site_names(method: str, sites: int) -> list[str]:
    """Sites by block: q0, v0, q1, … where a block has a query and a value, else numbers.

    Of many numbers some are left empty, so that the others can be read.
    """
    if method in QUERY_VALUE:
        return [f"{'qv'[site % 2]}{site // 2}" for site in range(sites)]
    step = math.ceil(sites / _SITES)
    return ["" if site % step else str(site) for site in range(sites)]
