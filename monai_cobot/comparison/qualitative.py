"""The same cases answered by every method, a row a case, as in the paper's Fig. S-1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from monai_cobot.bundle import get_preprocessing, read_cases
from monai_cobot.comparison.answers import Answer
from monai_cobot.comparison.comparing import Compared
from monai_cobot.comparison.study import Study
from monai_cobot.data.spec import Case
from monai_cobot.metrics import palette, representative_cases, telling_slice
from monai_cobot.transforms import volume_to_slices
from monai_cobot.whole_file import whole_file

_PANEL = 2.4  # inches
_DPI = 120


@dataclass(frozen=True)
class Plane:
    """One slice or picture: (H, W) or (H, W, 3) image, 0..255, and label maps (H, W)."""

    image: NDArray[Any]
    truth: NDArray[Any]
    predictions: tuple[NDArray[Any], ...]


def draw_qualitative(
    compared: Compared, study: Study, answers: Sequence[Answer], path: Path
) -> bool:
    """Draw best, median and worst case by the mean Dice of all models, first seed.

    Truth is a solid outline, the answer a dashed one. Returns whether there was anything to draw.
    """
    seed = study.plan.seeds[0]
    shown = [
        (answer, compared.evaluated[key].folder)
        for answer in answers
        if (key := (study.dataset.name, answer.method, seed)) in compared.evaluated
        and not answer.trivial
    ]
    rows = [row for answer, _ in shown for row in answer.rows[seed]]
    cases = {str(case["case"]): case for case in study.test}
    chosen = list(representative_cases(rows).values())
    if not chosen:
        return False
    figure = Figure(
        figsize=(_PANEL * len(shown), (_PANEL + 0.2) * len(chosen)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(chosen), len(shown), squeeze=False)
    for line, name in zip(panels, chosen, strict=True):
        plane = read_plane(study, cases[name], [folder for _, folder in shown])
        for axes, (answer, _), prediction in zip(line, shown, plane.predictions, strict=True):
            dice = [row.dice for row in answer.rows[seed] if row.case == name]
            axes.set_title(f"{answer.name}\n{name}: {np.nanmean(dice):.3f}", fontsize=7)
            _draw(axes, plane, prediction)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)
    return True


def read_plane(study: Study, case: Case, folders: Sequence[Path]) -> Plane:
    """The slice of a case that tells most, or the picture, with the answers of evaluations."""
    read = read_cases(study.spec, get_preprocessing(study.spec))
    item, name = read(case), str(case["case"])
    if study.spec.dimensions == 2:
        image = np.moveaxis(np.asarray(item["image"]), 0, -1)
        truth = np.asarray(item["masks"]).astype(bool).any(axis=0)
        files = [folder / "predictions" / f"{name}_seg.png" for folder in folders]
        predictions = [np.asarray(Image.open(file)) > 0 for file in files]
        return Plane(image.astype(np.uint8).squeeze(), truth.astype(int), tuple(predictions))
    image, truth = (_slices(item[key]) for key in ("image", "label"))
    z = telling_slice(truth)
    plain = {key: value for key, value in case.items() if key != "label_values"}
    files = [folder / "predictions" / f"{name}_seg.nii.gz" for folder in folders]
    stacks = [_slices(read({**plain, "label": str(file)})["label"]) for file in files]
    return Plane(image[z], truth[z], tuple(stack[z] for stack in stacks))


def _slices(volume: Any) -> NDArray[Any]:
    stack: NDArray[Any] = volume_to_slices(volume)[:, 0].cpu().numpy()
    return stack


def _draw(axes: Axes, plane: Plane, prediction: NDArray[Any]) -> None:
    axes.imshow(plane.image, cmap="gray", vmin=0, vmax=255)
    for labels, colour, style in (
        (plane.truth, palette.TRUTH, "solid"),
        (prediction, palette.PREDICTION, "dashed"),
    ):
        for label in np.unique(labels[labels > 0]):
            axes.contour(
                labels == label, levels=[0.5], colors=colour, linestyles=style, linewidths=0.9
            )
    axes.set_axis_off()
