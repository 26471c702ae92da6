"""Evaluation of whole volumes: scores, predictions, tables and pictures."""

from __future__ import annotations

import logging
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from monai_cobot import metrics
from monai_cobot.errors import CobotError
from monai_cobot.handlers.coco_results import RESULTS, TRUTH
from monai_cobot.inferers import write_label_like
from monai_cobot.metrics.volume import ScoredOrgan
from monai_cobot.transforms import SlicePrompts, volume_to_slices

LOGGER = logging.getLogger(__name__)
FIGURES = "figures"
PREDICTIONS = "predictions"


@dataclass(frozen=True)
class Evaluated:
    """One case as the evaluation engine hands it over, all arrays in the slice frame (Z, H, W)."""

    case: str
    patient: str
    image: NDArray[Any]
    truth: NDArray[Any]
    prediction: NDArray[Any]
    prompts: SlicePrompts
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class Picture:
    """The one slice of a case that may be drawn, (1, H, W) each; whole cases would fill memory."""

    image: NDArray[Any]
    truth: NDArray[Any]
    prediction: NDArray[Any]
    prompts: SlicePrompts
    pixel_spacing: tuple[float, float]
    place: str

    @classmethod
    def of(cls, case: Evaluated) -> Picture:
        """The slice of the case that tells most."""
        z = metrics.telling_slice(case.truth)
        image, truth, prediction = (
            stack[z : z + 1].copy() for stack in (case.image, case.truth, case.prediction)
        )
        prompts = {0: case.prompts[z]} if z in case.prompts else {}
        place = f"slice {z + 1} of {len(case.image)}"
        return cls(image, truth, prediction, prompts, case.spacing[1:], place)


class EvaluationReport(ABC):
    """Scores case by case and writes everything at the end; what volumes and pictures share.

    Args:
        organs: label, name and surface tolerance of the targets.
        run: the columns that all rows of this model share.
        output_dir: folder of the run.
        paper_protocol: whether the paper's Dice is reported beside the clinical one.
        seed: of the bootstrap intervals.
    """

    def __init__(
        self,
        organs: Sequence[ScoredOrgan],
        run: metrics.Run,
        output_dir: str | Path,
        paper_protocol: bool = False,
        seed: int = 0,
    ) -> None:
        self.organs = list(organs)
        self.run = run
        self.folder = Path(output_dir).expanduser().resolve()
        self.paper_protocol = paper_protocol
        self.seed = seed
        self.rows: list[metrics.Row] = []

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.COMPLETED, self.write)

    @abstractmethod
    def add(self, engine: Engine) -> None:
        """Writes and scores the case that has just been segmented."""

    @abstractmethod
    def draw_case(self, kind: str, case: str, path: Path, title: str) -> None:
        """Draws a case that was kept for it."""

    def draw(self, figures: Path) -> None:
        """Draws the best, the median and the worst case of each kind of prompts."""
        kinds = list(dict.fromkeys(row.prompts for row in self.rows))
        for kind in kinds:
            rows = [row for row in self.rows if row.prompts == kind]
            for rank, case in metrics.representative_cases(rows).items():
                ending = "" if kind == kinds[0] else f"_{kind}"
                title = f"{rank} case of {kind} prompts: {case}"
                self.draw_case(kind, case, figures / f"{rank}_{case}{ending}.png", title)

    def predictions_folder(self, kind: str, kinds: Sequence[str]) -> Path:
        """Where label maps go: those of the second of two kinds of prompts stand apart."""
        return self.folder / (PREDICTIONS if kind == kinds[0] else f"{PREDICTIONS}_{kind}")

    def run_of(self, kind: str) -> metrics.Run:
        """The columns of the model's rows with this kind of prompts; organ prompts have no box."""
        return self.run if kind == metrics.BOX else replace(self.run, box_jitter="")

    def pooled_rows(self) -> list[metrics.Row]:
        """Rows of the paper's protocol, where it was asked for."""
        return []

    def further(self) -> dict[str, Any]:
        """What else stands in ``metrics.json``."""
        return {}

    def write(self, engine: Engine) -> None:
        """Writes tables and pictures and prints the scores."""
        pooled = self.pooled_rows()
        rows = [*self.rows, *pooled]
        summary = metrics.summarise(rows, self.seed)
        metrics.write_csv(rows, self.folder / "metrics.csv")
        boxes = "oracle boxes" if metrics.BOX in engine.inferer.kinds else "none"
        summary |= {"boxes": boxes, **self.further()}
        metrics.write_json(summary, self.folder / "metrics.json")
        metrics.dice_box_plot(self.rows, self.folder / FIGURES / "dice.png")
        self.draw(self.folder / FIGURES)
        metrics.print_scores(summary)
        if pooled:
            metrics.print_scores(summary, protocol=metrics.PAPER)
        if metrics.BOX in engine.inferer.kinds:
            LOGGER.info("oracle boxes: the box prompts were made from the truth")
        if self.run.split_by == "slice":
            LOGGER.warning("split by slice: these scores leak and are of slices, not of volumes")
        LOGGER.info("wrote metrics.csv, metrics.json, predictions and figures to %s", self.folder)


class VolumeReport(EvaluationReport):
    """The report of volumes; arguments of :class:`EvaluationReport`.

    Written into ``output_dir``: ``metrics.csv`` (a row a case, organ, method and kind of prompts,
    with the filled box and the inscribed ellipse of the same boxes as two more methods),
    ``metrics.json``, ``predictions/<case>_seg.nii.gz`` (with both kinds of prompts those of the
    boxes; the other's are in ``predictions_organ``) and ``figures/``. The engine's batch is what
    :class:`~monai_cobot.inferers.VolumeCollate` gives, its inferer a ``PromptedVolumeInferer``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pictures: dict[tuple[str, str], Picture] = {}
        self.pooled: dict[tuple[str, metrics.Run], metrics.PooledDice] = {}

    def add(self, engine: Engine) -> None:
        """Writes and scores the case that has just been segmented."""
        kinds = engine.inferer.kinds
        for kind, case in zip(kinds, evaluated_cases(engine), strict=True):
            write_label_like(
                engine.state.output["pred"][0, kinds.index(kind)],
                engine.state.batch["source"],
                self.predictions_folder(kind, kinds) / f"{case.case}_seg.nii.gz",
            )
            self._score(kind, case)

    def _score(self, kind: str, case: Evaluated) -> None:
        run = self.run_of(kind)
        answers = {run: case.prediction}
        if kind == metrics.BOX:
            for trivial in metrics.TRIVIAL_ANSWERS:
                answers[run.trivial(trivial)] = metrics.trivial_volume(
                    case.prompts, case.truth.shape, trivial
                )
        for answered, answer in answers.items():
            scores = metrics.organ_scores(
                answer, case.truth, self.organs, case.spacing, slice_axis=0
            )
            self.rows += metrics.volume_rows(
                scores, answered, case=case.case, patient=case.patient, prompts=kind
            )
            if self.paper_protocol:
                pooled = self.pooled.setdefault((kind, answered), metrics.PooledDice(self.organs))
                pooled.add(answer, case.truth)
            if answered == run:
                self.pictures[kind, case.case] = Picture.of(case)
                dice = np.nanmean([score.dice for score in scores])
                LOGGER.info("case %s, %s prompts: mean Dice %.4f", case.case, kind, dice)

    def pooled_rows(self) -> list[metrics.Row]:
        """Rows of the paper's protocol, where it was asked for."""
        return [
            row
            for (kind, run), pooled in self.pooled.items()
            for row in metrics.pooled_rows(pooled.result(), run, prompts=kind)
        ]

    def draw_case(self, kind: str, case: str, path: Path, title: str) -> None:
        """Draws the slice of a case that tells most."""
        picture = self.pictures[kind, case]
        metrics.overlay(
            picture.image,
            picture.truth,
            picture.prediction,
            picture.prompts,
            self.organs,
            path,
            title=title,
            pixel_spacing=picture.pixel_spacing,
            z=0,
            place=picture.place,
        )


def refuse_earlier_evaluation(output_dir: str | Path, overwrite: bool) -> None:
    """Keeps the files of an earlier evaluation, finished or not, unless they are to be replaced.

    Raises:
        CobotError: the folder holds one, and ``overwrite`` is false.
    """
    folder = Path(output_dir).expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise CobotError(f"output_dir {folder} is a file: choose a folder")
    for file in _own_files(output_dir):
        if file.exists() and not overwrite:
            raise CobotError(
                f"{file.parent} holds an evaluation ({file.name}): set overwrite: true to replace "
                "it, or choose another output_dir"
            )


def clear_evaluation(output_dir: str | Path) -> None:
    """Removes the files of an earlier evaluation."""
    for file in _own_files(output_dir):
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)


def _own_files(output_dir: str | Path) -> list[Path]:
    folder = Path(output_dir).expanduser().resolve()
    names = ("metrics.csv", "metrics.json", PREDICTIONS, f"{PREDICTIONS}_organ", FIGURES)
    return [folder / name for name in (*names, RESULTS, TRUTH)]


def evaluated_cases(engine: Engine) -> list[Evaluated]:
    """The case that the engine has just segmented, once for each kind of its prompts."""
    batch, output = engine.state.batch, engine.state.output
    image, truth = (
        volume_to_slices(volume[0])[:, 0].cpu().numpy()
        for volume in (output["image"], output["label"])
    )
    x, y, z = batch["spacing"]
    size = (image.shape[1], image.shape[2])
    predictions = volume_to_slices(output["pred"][0]).cpu().numpy()
    boxes = engine.inferer.jittered_prompts(batch["prompts"], size, batch["case"])
    return [
        Evaluated(
            case=batch["case"],
            patient=batch["patient"],
            image=image,
            truth=truth,
            prediction=predictions[:, place],
            prompts=boxes if kind == metrics.BOX else {},
            spacing=(z, y, x),
        )
        for place, kind in enumerate(engine.inferer.kinds)
    ]
