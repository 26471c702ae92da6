"""Evaluation of pictures: scores an instance or organ, label maps, overlays, COCO's AP."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine
from numpy.typing import NDArray

from monai_cobot import metrics
from monai_cobot.errors import CobotError
from monai_cobot.handlers.coco_results import RESULTS, TRUTH, result_entries, write_coco
from monai_cobot.handlers.coco_truth import CocoTruth
from monai_cobot.handlers.picture_predictions import painted, write_label_picture
from monai_cobot.handlers.report import EvaluationReport
from monai_cobot.transforms import (
    CocoIds,
    RunLengths,
    decode_masks,
    encode_masks,
    mask_area,
    read_image,
)

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answered:
    """One picture with the answers to one kind of prompts; slice frame.

    ``truths`` and ``predictions`` are (N, H, W), ``boxes`` (P, 4) XYXY.
    """

    source: str
    truths: NDArray[Any]
    predictions: NDArray[Any]
    labels: tuple[int, ...]
    instances: tuple[str, ...]
    boxes: NDArray[Any]


@dataclass(frozen=True)
class Kept:
    """What is kept of a picture until it is drawn, perhaps: masks as run lengths.

    The picture itself stays in its file. The masks of a whole test part would fill the memory.
    """

    source: str
    truths: list[RunLengths]
    predictions: list[RunLengths]
    labels: tuple[int, ...]
    boxes: NDArray[Any]
    size: tuple[int, int]

    @classmethod
    def of(cls, picture: Answered) -> Kept:
        """The same picture, small."""
        truths, predictions = encode_masks(picture.truths), encode_masks(picture.predictions)
        size = (picture.truths.shape[1], picture.truths.shape[2])
        return cls(picture.source, truths, predictions, picture.labels, picture.boxes, size)


@dataclass
class ScoredPicture:
    """What is kept of a picture: its rows, its masks by kind of prompts, SAM's quality of boxes."""

    case: str
    rows: list[metrics.Row] = field(default_factory=list)
    kept: dict[str, Kept] = field(default_factory=dict)
    quality: list[float] = field(default_factory=list)


class PictureReport(EvaluationReport):
    """The report of pictures; arguments of :class:`EvaluationReport`, and of its own.

    Written into ``output_dir``: ``metrics.csv``, a row an instance with box prompts (and with the
    filled box and the ellipse of the same boxes), a row an organ with organ prompts, whose truth is
    the union of its instances; ``metrics.json``; ``predictions/<case>_seg.png``, label maps;
    ``figures/``; with ``coco`` also ``coco_results.json``, ``coco_truth.json``, and COCO's average
    precision in ``metrics.json``. The engine's batch is what
    :class:`~monai_cobot.inferers.PictureCollate` gives, its inferer a ``PromptedImageInferer``.
    The paper's protocol is of box prompts: the same rows again, whose mean is over the instances.

    Args:
        prompts: ``box``, ``organ`` or ``both``, as the inferer has it.
        cases: the pictures, with their ``instances``; needed for ``coco``.
        coco: ids of pictures and classes, where the average precision is asked for.

    Raises:
        CobotError: the paper's protocol with boxes that are not exact; it, or the average
            precision, without boxes.
    """

    def __init__(
        self,
        *args: Any,
        prompts: str = metrics.BOX,
        cases: Sequence[Mapping[str, Any]] = (),
        coco: CocoIds | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.names = {organ.label: organ.name for organ in self.organs}
        asked = {"paper_protocol": self.paper_protocol, "coco_ap": coco is not None}
        for name in (name for name, wanted in asked.items() if wanted):
            if prompts == metrics.ORGAN:
                raise CobotError(
                    f"{name}: an instance needs a box, and the network was trained with organ "
                    f"prompts alone: set {name}: false, or take one trained with prompts: both"
                )
        if self.paper_protocol and self.run.box_jitter != metrics.EXACT:
            raise CobotError(
                "paper_protocol: of pictures it is of exact boxes, and eval_box_jitter is "
                f"{self.run.box_jitter}: set its size to 0, or paper_protocol: false"
            )
        self.kept: dict[tuple[str, str], Kept] = {}
        self.ids = coco
        self.truth = None if coco is None else CocoTruth(cases, coco)
        self.results: list[dict[str, Any]] = []

    def entry(self, engine: Engine) -> ScoredPicture:
        """Writes and scores the picture that has just been segmented."""
        batch = engine.state.batch
        scored = ScoredPicture(batch["case"])
        for kind, picture in answered_pictures(engine).items():
            write_label_picture(
                painted(picture.predictions, picture.labels),
                self.predictions_folder(kind, engine.inferer.kinds) / f"{batch['case']}_seg.png",
            )
            scored.rows += self._score(kind, picture, batch["case"], batch["patient"])
            scored.kept[kind] = Kept.of(picture)
            if kind == metrics.BOX:
                scored.quality += engine.inferer.quality[: len(picture.predictions)].tolist()
        return scored

    def take(self, entry: ScoredPicture) -> None:
        """Takes a picture into the report."""
        self.rows += entry.rows
        for kind, kept in entry.kept.items():
            if kind == metrics.BOX and self.truth is not None:
                self._add_coco(self.truth, entry.case, kept, entry.quality)
            if any(mask_area(runs) for runs in (*kept.truths, *kept.predictions)):
                self.kept[kind, entry.case] = kept  # else there is no Dice

    def _add_coco(self, truth: CocoTruth, case: str, kept: Kept, quality: Sequence[float]) -> None:
        truth.add(case, decode_masks(kept.truths, kept.size))
        categories = [truth.categories[self.names[label]] for label in kept.labels]
        entries = result_entries(truth.image_ids[case], categories, kept.predictions, quality)
        self.results += entries

    def _score(self, kind: str, picture: Answered, case: str, patient: str) -> list[metrics.Row]:
        """Rows of the model, then of the trivial answers, whose masks are made one by one."""
        run, rows = self.run_of(kind), []
        classes = [self.names[label] for label in picture.labels]
        scored = {run: metrics.instance_scores(picture.predictions, picture.truths, classes)}
        if kind == metrics.BOX:
            for trivial in metrics.TRIVIAL_ANSWERS:
                scored[run.trivial(trivial)] = [
                    score
                    for place, truth in enumerate(picture.truths)
                    for score in metrics.instance_scores(
                        metrics.trivial_masks(
                            picture.boxes[place : place + 1], truth.shape, trivial
                        ),
                        truth[None],
                        classes[place : place + 1],
                    )
                ]
        for answered, scores in scored.items():
            rows += metrics.instance_rows(
                scores, picture.instances, answered, case=case, patient=patient, prompts=kind
            )
        return rows

    def pooled_rows(self) -> list[metrics.Row]:
        """Rows of the paper's protocol, where it was asked for."""
        if not self.paper_protocol:
            return []
        return metrics.paper_rows(row for row in self.rows if row.prompts == metrics.BOX)

    def further(self) -> dict[str, Any]:
        """COCO's average precision, where it was asked for; writes what it is of."""
        if self.truth is None:
            return {}
        truth = self.truth.document()
        write_coco(truth, self.folder / TRUTH)
        write_coco(self.results, self.folder / RESULTS)
        LOGGER.info("COCO AP of %d masks in %d pictures", len(self.results), len(truth["images"]))
        found = metrics.average_precision(truth, self.results)
        LOGGER.info(", ".join(f"{name} {found[name]:.3f}" for name in metrics.AP_SUMMARY))
        classes = {name: ap for name, ap in found["classes"].items() if ap == ap}
        LOGGER.info("AP a class: %s", ", ".join(f"{n} {ap:.3f}" for n, ap in classes.items()))
        return {"coco_ap": {**found, "convention": metrics.AP_CONVENTION}}

    def draw_case(self, kind: str, case: str, path: Path, title: str) -> None:
        """Draws a picture with the answers to one kind of prompts."""
        kept = self.kept[kind, case]
        areas = [
            max(mask_area(true), mask_area(predicted))
            for true, predicted in zip(kept.truths, kept.predictions, strict=True)
        ]
        places = metrics.drawn_instances(areas)
        picture = read_image(kept.source).numpy()
        metrics.instance_overlay(
            picture,
            decode_masks([kept.truths[place] for place in places], kept.size),
            decode_masks([kept.predictions[place] for place in places], kept.size),
            kept.boxes[places] if len(kept.boxes) else kept.boxes,
            [self.names[kept.labels[place]] for place in places],
            path,
            title=title,
            instances=len(areas),
        )


def answered_pictures(engine: Engine) -> dict[str, Answered]:
    """The picture that the engine has just segmented, for each kind of its prompts."""
    batch, output, inferer = engine.state.batch, engine.state.output, engine.inferer
    size = (int(output["image"].shape[2]), int(output["image"].shape[3]))
    predictions, truths = output["pred"].cpu().numpy(), output["label"].cpu().numpy()
    boxes = inferer.jittered_boxes(batch["boxes"], size, batch["case"]).numpy()
    count = len(boxes) if metrics.BOX in inferer.kinds else 0
    found = {}
    if metrics.BOX in inferer.kinds:
        found[metrics.BOX] = Answered(
            batch["source"],
            truths[:count],
            predictions[:count],
            tuple(batch["organs"].tolist()),
            tuple(str(number) for number in batch["instances"]),
            boxes,
        )
    if metrics.ORGAN in inferer.kinds:
        labels = tuple(inferer.organ_labels)
        found[metrics.ORGAN] = Answered(
            batch["source"],
            truths[count:],
            predictions[count:],
            labels,
            ("",) * len(labels),
            np.zeros((0, 4), np.float32),
        )
    return found
