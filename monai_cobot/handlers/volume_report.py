"""Evaluation of whole volumes: scores, predictions, tables and pictures."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine
from numpy.typing import NDArray

from monai_cobot import metrics
from monai_cobot.handlers.report import EvaluationReport
from monai_cobot.inferers import write_label_like
from monai_cobot.transforms import SlicePrompts, volume_to_slices

LOGGER = logging.getLogger(__name__)


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


@dataclass
class ScoredVolume:
    """What is kept of a volume, by kind of prompts and case, or by kind and method."""

    rows: list[metrics.Row] = field(default_factory=list)
    pictures: dict[tuple[str, str], Picture] = field(default_factory=dict)
    pooled: dict[tuple[str, metrics.Run], metrics.PooledDice] = field(default_factory=dict)


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

    def entry(self, engine: Engine) -> ScoredVolume:
        """Writes and scores the volume that has just been segmented."""
        kinds, scored = engine.inferer.kinds, ScoredVolume()
        for kind, case in zip(kinds, evaluated_cases(engine), strict=True):
            write_label_like(
                engine.state.output["pred"][0, kinds.index(kind)],
                engine.state.batch["source"],
                self.predictions_folder(kind, kinds) / f"{case.case}_seg.nii.gz",
            )
            self._score(kind, case, scored)
        return scored

    def take(self, entry: ScoredVolume) -> None:
        """Takes a volume into the report."""
        self.rows += entry.rows
        self.pictures |= entry.pictures
        for key, pooled in entry.pooled.items():
            self.pooled.setdefault(key, metrics.PooledDice(self.organs)).join(pooled)

    def _score(self, kind: str, case: Evaluated, scored: ScoredVolume) -> None:
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
            scored.rows += metrics.volume_rows(
                scores, answered, case=case.case, patient=case.patient, prompts=kind
            )
            if self.paper_protocol:
                pooled = scored.pooled[kind, answered] = metrics.PooledDice(self.organs)
                pooled.add(answer, case.truth)
            if answered == run:
                scored.pictures[kind, case.case] = Picture.of(case)
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
