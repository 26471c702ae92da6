"""Evaluation of whole volumes: scores, predictions, tables and pictures."""

from __future__ import annotations

import logging
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
        self.pictures: dict[str, Evaluated] = {}
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
                self.pictures[case.case] = case
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
        LOGGER.info("wrote metrics.csv, metrics.json, predictions and figures to %s", self.folder)

    def _draw(self) -> None:
        figures = self.folder / FIGURES
        metrics.dice_box_plot(self.rows, figures / "dice.png")
        for rank, name in metrics.representative_cases(self.rows).items():
            case = self.pictures[name]
            metrics.overlay(
                case.image,
                case.truth,
                case.prediction,
                case.prompts,
                self.organs,
                figures / f"{rank}_{name}.png",
                title=f"{rank} case: {name}",
                pixel_spacing=(case.spacing[1], case.spacing[2]),
            )


def refuse_earlier_evaluation(output_dir: str | Path, overwrite: bool) -> None:
    """Keeps the files of an earlier evaluation unless they are to be replaced.

    Raises:
        CobotError: the folder holds ``metrics.csv`` and ``overwrite`` is false.
    """
    folder = Path(output_dir).expanduser().resolve()
    if (folder / "metrics.csv").exists() and not overwrite:
        raise CobotError(
            f"{folder} holds an evaluation (metrics.csv): set overwrite: true to replace it, or "
            "choose another output_dir"
        )


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
