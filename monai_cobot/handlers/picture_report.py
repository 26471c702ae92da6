"""Evaluation and inference of pictures: scores an instance or organ, label maps, overlays."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine
from numpy.typing import NDArray
from PIL import Image

from monai_cobot import metrics
from monai_cobot.handlers.predictions import SavePredictions
from monai_cobot.handlers.report import EvaluationReport
from monai_cobot.transforms import read_image
from monai_cobot.whole_file import whole_file

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answered:
    """One picture with the answers to one kind of prompts; slice frame.

    The picture itself stays in its file: a whole test part would fill the memory.
    """

    source: str
    truths: NDArray[Any]
    predictions: NDArray[Any]
    labels: tuple[int, ...]
    instances: tuple[str, ...]
    boxes: NDArray[Any]


class PictureReport(EvaluationReport):
    """The report of pictures; arguments of :class:`EvaluationReport`.

    Written into ``output_dir``: ``metrics.csv``, a row an instance with box prompts (and with the
    filled box and the ellipse of the same boxes), a row an organ with organ prompts, whose truth is
    the union of its instances; ``metrics.json``; ``predictions/<case>_seg.png``, label maps; and
    ``figures/``. The engine's batch is what :class:`~monai_cobot.inferers.PictureCollate` gives,
    its inferer a ``PromptedImageInferer``. The paper's pooled Dice is of volumes and not reported.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = {organ.label: organ.name for organ in self.organs}
        if self.paper_protocol:
            LOGGER.warning("paper_protocol: the paper's pooled Dice is of volumes, not of pictures")
        self.kept: dict[tuple[str, str], Answered] = {}

    def add(self, engine: Engine) -> None:
        """Writes and scores the picture that has just been segmented."""
        batch = engine.state.batch
        for kind, picture in answered_pictures(engine).items():
            write_label_picture(
                painted(picture.predictions, picture.labels),
                self.predictions_folder(kind, engine.inferer.kinds) / f"{batch['case']}_seg.png",
            )
            self._score(kind, picture, batch["case"], batch["patient"])

    def _score(self, kind: str, picture: Answered, case: str, patient: str) -> None:
        run = self.run_of(kind)
        answers = {run: picture.predictions}
        if kind == metrics.BOX:
            for trivial in metrics.TRIVIAL_ANSWERS:
                answers[run.trivial(trivial)] = metrics.trivial_masks(
                    picture.boxes, picture.truths.shape[1:], trivial
                )
        classes = [self.names[label] for label in picture.labels]
        for answered, masks in answers.items():
            scores = metrics.instance_scores(masks, picture.truths, classes)
            self.rows += metrics.instance_rows(
                scores, picture.instances, answered, case=case, patient=patient, prompts=kind
            )
        if picture.truths.any() or picture.predictions.any():  # else there is no Dice
            self.kept[kind, case] = picture

    def draw_case(self, kind: str, case: str, path: Path, title: str) -> None:
        """Draws a picture with the answers to one kind of prompts."""
        picture = self.kept[kind, case]
        metrics.instance_overlay(
            read_image(picture.source).numpy(),
            picture.truths,
            picture.predictions,
            picture.boxes,
            [self.names[label] for label in picture.labels],
            path,
            title=title,
        )


class SavePictures(SavePredictions):
    """Writes ``<case>_seg.png`` after every picture: a label map of the picture's own size.

    Arguments of :class:`SavePredictions`. Where masks overlap the smaller one is on top.
    """

    ending = "_seg.png"

    def __call__(self, engine: Engine) -> None:
        """Writes the picture that has just been segmented."""
        batch = engine.state.batch
        labels = [*batch["organs"].tolist()] if "box" in engine.inferer.kinds else []
        labels += engine.inferer.organ_labels if "organ" in engine.inferer.kinds else []
        masks = engine.state.output["pred"].cpu().numpy()
        file = self.path(batch["case"])
        write_label_picture(painted(masks, labels), file)
        prompts = " and ".join(engine.inferer.kinds)
        LOGGER.info("%s: %d masks of %s prompts -> %s", batch["case"], len(masks), prompts, file)


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
            boxes[:0],
        )
    return found


def painted(masks: NDArray[Any], labels: Sequence[int]) -> NDArray[np.uint8]:
    """One label map (H, W) of masks (N, H, W); the smaller masks are painted over the larger."""
    painted = np.zeros(masks.shape[1:], np.uint8)
    order = np.argsort([-int(np.count_nonzero(mask)) for mask in masks], kind="stable")
    for place in order:
        painted[masks[place] != 0] = labels[place]
    return painted


def write_label_picture(labels: NDArray[np.uint8], path: Path) -> None:
    """Writes a label map (H, W) as a grey PNG whose pixels are the labels; whole or not at all."""
    with whole_file(path) as temporary:
        Image.fromarray(labels).save(temporary, format="PNG")
