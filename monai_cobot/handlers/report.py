"""Evaluation of whole volumes: scores, predictions, tables and pictures."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from monai_cobot import metrics
from monai_cobot.errors import CobotError
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


class VolumeReport:
    """Scores every volume as it comes and writes everything at the end.

    Written into ``output_dir``: ``metrics.csv`` (a row a case, organ and method, with the filled
    box and the inscribed ellipse of the same prompts as two more methods), ``metrics.json``,
    ``predictions/<case>_seg.nii.gz`` and ``figures/``. The engine's batch is what
    :class:`~monai_cobot.inferers.VolumeCollate` gives, its inferer a ``PromptedVolumeInferer``.

    Args:
        organs: label, name and surface tolerance of the targets.
        run: the columns that all rows of this model share.
        output_dir: folder of the run.
        paper_protocol: whether the paper's pooled Dice is reported beside the clinical one.
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
        self.seed = seed
        self.rows: list[metrics.Row] = []
        self.pictures: dict[str, Picture] = {}
        self.methods = {"": run, **{kind: run.trivial(kind) for kind in metrics.TRIVIAL_ANSWERS}}
        self.pooled = (
            {kind: metrics.PooledDice(self.organs) for kind in self.methods}
            if paper_protocol
            else {}
        )

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def add(self, engine: Engine) -> None:
        """Writes and scores the case that has just been segmented."""
        case = evaluated_case(engine)
        write_label_like(
            engine.state.output["pred"][0, 0],
            engine.state.batch["source"],
            self.folder / PREDICTIONS / f"{case.case}_seg.nii.gz",
        )
        answers = {
            kind: metrics.trivial_volume(case.prompts, case.truth.shape, kind)
            if kind
            else case.prediction
            for kind in self.methods
        }
        for kind, answer in answers.items():
            scores = metrics.organ_scores(answer, case.truth, self.organs, case.spacing)
            self.rows += metrics.volume_rows(
                scores, self.methods[kind], case=case.case, patient=case.patient
            )
            if kind in self.pooled:
                self.pooled[kind].add(answer, case.truth)
            if not kind:
                self.pictures[case.case] = Picture.of(case)
                dice = np.nanmean([score.dice for score in scores])
                LOGGER.info("case %s: mean Dice %.4f", case.case, dice)

    def write(self, engine: Engine) -> None:
        """Writes tables and pictures and prints the scores."""
        rows = [
            *self.rows,
            *(
                row
                for kind, pooled in self.pooled.items()
                for row in metrics.pooled_rows(pooled.result(), self.methods[kind])
            ),
        ]
        summary = metrics.summarise(rows, self.seed)
        metrics.write_csv(rows, self.folder / "metrics.csv")
        metrics.write_json({**summary, "boxes": "oracle boxes"}, self.folder / "metrics.json")
        self._draw()
        metrics.print_scores(summary)
        if self.pooled:
            metrics.print_scores(summary, protocol=metrics.PAPER)
        LOGGER.info("oracle boxes: the prompts were made from the truth")
        if self.run.split_by == "slice":
            LOGGER.warning("split by slice: these scores leak and are of slices, not of volumes")
        LOGGER.info("wrote metrics.csv, metrics.json, predictions and figures to %s", self.folder)

    def _draw(self) -> None:
        figures = self.folder / FIGURES
        metrics.dice_box_plot(self.rows, figures / "dice.png")
        for rank, name in metrics.representative_cases(self.rows).items():
            picture = self.pictures[name]
            metrics.overlay(
                picture.image,
                picture.truth,
                picture.prediction,
                picture.prompts,
                self.organs,
                figures / f"{rank}_{name}.png",
                title=f"{rank} case: {name}",
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
    return [folder / name for name in ("metrics.csv", "metrics.json", PREDICTIONS, FIGURES)]


def evaluated_case(engine: Engine) -> Evaluated:
    """The case that the engine has just segmented, with the prompts that were used."""
    batch, output = engine.state.batch, engine.state.output
    image, truth, prediction = (
        volume_to_slices(volume[0])[:, 0].cpu().numpy()
        for volume in (output["image"], output["label"], output["pred"])
    )
    x, y, z = batch["spacing"]
    size = (image.shape[1], image.shape[2])
    return Evaluated(
        case=batch["case"],
        patient=batch["patient"],
        image=image,
        truth=truth,
        prediction=prediction,
        prompts=engine.inferer.jittered_prompts(batch["prompts"], size, batch["case"]),
        spacing=(z, y, x),
    )
