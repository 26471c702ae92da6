"""What an inference of pictures writes: label maps, COCO results, overlays."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from numpy.typing import NDArray
from PIL import Image

from monai_cobot import metrics
from monai_cobot.handlers.coco_results import RESULTS, result_entries, write_coco
from monai_cobot.handlers.predictions import SavePredictions
from monai_cobot.metrics.volume import ScoredOrgan
from monai_cobot.transforms import CocoIds, encode_masks, mask_area, read_image
from monai_cobot.whole_file import whole_file

LOGGER = logging.getLogger(__name__)
OVERLAYS = "overlays"


RESULTS_EVERY = 100
"""Pictures between two writings of the results."""


class SavePictures(SavePredictions):
    """Writes what was found in pictures.

    After every picture ``<case>_seg.png``, a label map of the picture's own size, where of masks
    that overlap the smaller one is on top, and ``overlays/<case>.png``; at the end
    ``coco_results.json``, all masks as run lengths with their ``score`` (a detector's, where the
    boxes are, else the quality) and ``quality`` (the IoU that SAM predicts). Organ prompts that
    found nothing are not in it.

    Args:
        folder: where to.
        overwrite: whether earlier files are replaced.
        organs: label and name of the classes.
        ids: COCO's ids of pictures and classes.
        overlays: whether overlays are drawn.
    """

    ending = "_seg.png"

    def __init__(
        self,
        folder: str | Path,
        overwrite: bool = False,
        *,
        organs: Sequence[ScoredOrgan],
        ids: CocoIds,
        overlays: bool = True,
    ) -> None:
        super().__init__(folder, overwrite)
        self.names = {organ.label: organ.name for organ in organs}
        self.image_ids, self.overlays = ids.images, overlays
        self.categories = _completed(ids, list(self.names.values()))
        self.results: list[dict[str, Any]] = []

    def files(self, cases: Iterable[Mapping[str, Any]]) -> Iterable[Path]:
        """All files that are written."""
        yield self.folder / RESULTS
        for case in cases:
            yield self.path(str(case["case"]))
            if self.overlays:
                yield self.overlay_path(str(case["case"]))

    def overlay_path(self, case: str) -> Path:
        """File of a case's overlay."""
        return self.folder / OVERLAYS / f"{case}.png"

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the evaluator."""
        super().attach(engine)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def __call__(self, engine: Engine) -> None:
        """Writes the picture that has just been segmented, and keeps its results."""
        batch, kinds = engine.state.batch, engine.inferer.kinds
        masks = engine.state.output["pred"].cpu().numpy()
        labels, scores = [], batch.get("scores")
        quality = engine.inferer.quality.tolist()
        if metrics.BOX in kinds:
            labels += batch["organs"].tolist()
        boxes = len(labels)
        if metrics.ORGAN in kinds:
            labels += engine.inferer.organ_labels
        file = self.path(batch["case"])
        write_label_picture(painted(masks, labels), file)
        kept = [place for place in range(len(masks)) if place < boxes or masks[place].any()]
        entries = result_entries(
            self.image_ids[batch["case"]],
            [self.categories[self.names[labels[place]]] for place in kept],
            encode_masks(masks[kept]),
            [quality[place] for place in kept],
            None if scores is None else [scores[place] for place in kept],
        )
        self.results += entries
        if engine.state.iteration % RESULTS_EVERY == 0:  # a run that is stopped keeps these
            write_coco(self.results, self.folder / RESULTS)
        if self.overlays:
            self._draw(batch, masks[kept], [self.names[labels[p]] for p in kept], entries)
        LOGGER.info(
            "%s: %d masks of %s prompts -> %s", batch["case"], len(kept), " and ".join(kinds), file
        )

    def _draw(
        self,
        batch: Mapping[str, Any],
        masks: NDArray[Any],
        names: Sequence[str],
        entries: Sequence[Mapping[str, Any]],
    ) -> None:
        places = metrics.drawn_instances([mask_area(entry["segmentation"]) for entry in entries])
        boxes = batch["boxes"].numpy()
        metrics.instance_overlay(
            read_image(batch["source"]).numpy(),
            None,
            masks[places],
            boxes[[place for place in places if place < len(boxes)]],
            [names[place] for place in places],
            self.overlay_path(batch["case"]),
            title=batch["case"],
            scores=[entries[place]["score"] for place in places],
            instances=len(masks),
        )

    def write(self, engine: Engine) -> None:
        """Writes the results of all pictures."""
        file = self.folder / RESULTS
        write_coco(self.results, file)
        LOGGER.info("%d masks in COCO's results format -> %s", len(self.results), file)


def _completed(ids: CocoIds, names: Sequence[str]) -> dict[str, int]:
    """Category id of each class; those that the source does not list follow its largest."""
    categories = dict(ids.categories)
    lacking = [name for name in names if name not in categories]
    for number, name in enumerate(lacking, start=max(categories.values(), default=0) + 1):
        categories[name] = number
        LOGGER.info("%s has no category %s: %d in %s", ids.source, name, number, RESULTS)
    return categories


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
