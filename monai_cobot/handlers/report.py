"""What the reports of volumes and pictures share: scores, tables and pictures of an evaluation."""

from __future__ import annotations

import logging
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events

from monai_cobot import metrics
from monai_cobot.errors import CobotError
from monai_cobot.handlers.coco_results import RESULTS, TRUTH
from monai_cobot.handlers.processes import gathered
from monai_cobot.metrics.volume import ScoredOrgan

LOGGER = logging.getLogger(__name__)
FIGURES = "figures"
PREDICTIONS = "predictions"


class EvaluationReport(ABC):
    """Scores case by case and writes everything at the end; what volumes and pictures share.

    Of several processes each scores its own cases, and the first one writes what all have found,
    in the order of the cases: it is what one process writes.

    Args:
        organs: label, name and surface tolerance of the targets.
        run: the columns that all rows of this model share.
        output_dir: folder of the run.
        paper_protocol: whether the paper's Dice is reported beside the clinical one.
        seed: of the bootstrap intervals.
        shared: patients (or videos) that the split has on both sides, as published lists do.
    """

    def __init__(
        self,
        organs: Sequence[ScoredOrgan],
        run: metrics.Run,
        output_dir: str | Path,
        paper_protocol: bool = False,
        seed: int = 0,
        shared: Sequence[str] = (),
    ) -> None:
        self.shared = list(shared)
        self.organs = list(organs)
        self.run = run
        self.folder = Path(output_dir).expanduser().resolve()
        self.paper_protocol = paper_protocol
        self.seed = seed
        self.rows: list[metrics.Row] = []
        self.entries: list[Any] = []

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def _add(self, engine: Engine) -> None:
        self.entries.append(self.entry(engine))

    @abstractmethod
    def entry(self, engine: Engine) -> Any:
        """Writes and scores the case that has just been segmented: all that is kept of it."""

    @abstractmethod
    def take(self, entry: Any) -> None:
        """Takes the entry of a case into the report, case by case in their order."""

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
        entries = gathered(self.entries)
        if idist.get_rank():
            return
        for entry in entries:
            self.take(entry)
        pooled = self.pooled_rows()
        rows = [*self.rows, *pooled]
        metrics.write_csv(rows, self.folder / "metrics.csv")
        summary = metrics.summarise(rows, self.seed)
        boxes = "oracle boxes" if metrics.BOX in engine.inferer.kinds else "none"
        summary |= {"boxes": boxes, "patients_on_both_sides": self.shared, **self.further()}
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
        if self.shared:
            LOGGER.warning(
                "%d patients (or videos) are on both sides of the split: scores may be too good",
                len(self.shared),
            )
        LOGGER.info("wrote metrics.csv, metrics.json, predictions and figures to %s", self.folder)


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
