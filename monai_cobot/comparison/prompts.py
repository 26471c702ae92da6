"""How answers depend on the boxes: jittered, scaled, shifted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monai_cobot.comparison.answers import clinical_rows, patient_means
from monai_cobot.comparison.comparing import Compared
from monai_cobot.comparison.names import ZERO_SHOT
from monai_cobot.metrics import TRIVIAL_ANSWERS, Row, palette, series_name
from monai_cobot.whole_file import whole_file

EXACT = {"symmetric": 0.0, "scale": 1.0, "shift": 0.0}
"""Where each panel of the figure has its exact boxes."""
LABELS = {
    "symmetric": "each side in or out by up to, px at 1024",
    "scale": "sides, times",
    "shift": "moved by, px at 1024",
}
_DPI = 150


@dataclass(frozen=True)
class PromptScore:
    """The mean score of one answer from boxes that were changed in one way, first seed."""

    dataset: str
    answer: str
    mode: str
    size: float
    score: float


def prompt_scores(compared: Compared) -> list[PromptScore]:
    """All answers on all conditions; means over the test patients."""
    return [
        found
        for (dataset, method, mode, size), step in compared.prompted.items()
        for found in _of_rows(dataset, method, mode, size, clinical_rows(step.folder))
    ]


def _of_rows(
    dataset: str, method: str | None, mode: str, size: float, rows: Sequence[Row]
) -> list[PromptScore]:
    """The model's, and from the evaluation of zero shot the trivial answers, too."""
    named = {method or ZERO_SHOT: [row for row in rows if not row.trivial]}
    if method is None:
        for kind in TRIVIAL_ANSWERS:
            named[series_name(kind, False)] = [row for row in rows if row.method == kind]
    return [
        PromptScore(dataset, name, mode, size, _mean(patient_means(found, "dice")))
        for name, found in named.items()
    ]


def _mean(values: Mapping[str, float]) -> float:
    return float(np.mean(list(values.values()))) if values else float("nan")


def prompt_lines(scores: Sequence[PromptScore]) -> list[list[str]]:
    """An answer a row, a condition a column."""
    conditions = list(dict.fromkeys((score.mode, score.size) for score in scores))
    lines = [["dataset", "answer", *(f"{mode} {size:g}" for mode, size in conditions)]]
    for dataset, answer in dict.fromkeys((score.dataset, score.answer) for score in scores):
        found = {
            (score.mode, score.size): f"{100 * score.score:.1f}"
            for score in scores
            if (score.dataset, score.answer) == (dataset, answer)
        }
        lines.append([dataset, answer, *(found.get(condition, "–") for condition in conditions)])
    return lines


def as_dicts(scores: Sequence[PromptScore]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(score) for score in scores]


def draw_prompts(scores: Sequence[PromptScore], path: Path) -> None:
    """Dice against jitter, scale and shift, a panel each; one dataset."""
    figure = Figure(figsize=(11.0, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    trivial = {series_name(kind, False): palette.TRIVIAL[kind] for kind in TRIVIAL_ANSWERS}
    answers = list(dict.fromkeys(score.answer for score in scores))
    answers = [*(name for name in answers if name not in trivial), *trivial]
    exact = {s.answer: s.score for s in scores if (s.mode, s.size) == ("symmetric", 0.0)}
    panels = figure.subplots(1, len(LABELS), sharey=True)
    for axes, (mode, label) in zip(panels, LABELS.items(), strict=True):
        for place, answer in enumerate(answers):
            points = {s.size: s.score for s in scores if (s.answer, s.mode) == (answer, mode)}
            if answer in exact:
                points[EXACT[mode]] = exact[answer]
            if not points:
                continue
            sizes = sorted(points)
            cycle, colour = divmod(place, len(palette.MODELS))
            axes.plot(
                sizes,
                [points[size] for size in sizes],
                marker="x" if answer in trivial else "osD^vP"[cycle % 6],
                color=trivial.get(answer, palette.MODELS[colour]),
                label=answer,
            )
        axes.set_xlabel(label)
        axes.grid(color="0.9", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Dice")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
    )
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)
