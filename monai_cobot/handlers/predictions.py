"""Label maps of an inference, written in the geometry of their sources."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from monai_cobot.errors import CobotError
from monai_cobot.inferers import write_label_like

LOGGER = logging.getLogger(__name__)


class SavePredictions:
    """Writes ``<case>_seg.nii.gz`` after every volume.

    Args:
        folder: where to.
        overwrite: whether earlier files are replaced.
    """

    ending = "_seg.nii.gz"

    def __init__(self, folder: str | Path, overwrite: bool = False) -> None:
        self.folder = Path(folder).expanduser().resolve()
        self.overwrite = overwrite

    def path(self, case: str) -> Path:
        """File of a case."""
        return self.folder / f"{case}{self.ending}"

    def check(self, cases: Iterable[Mapping[str, Any]]) -> None:
        """Refuses a folder that is none, and to replace a file unwanted; raises CobotError."""
        if self.folder.exists() and not self.folder.is_dir():
            raise CobotError(f"output_dir {self.folder} is a file: choose a folder")
        for file in self.files(cases):
            if file.exists() and not self.overwrite:
                raise CobotError(
                    f"{file} exists: set overwrite: true to replace it, or choose another "
                    "output_dir"
                )

    def files(self, cases: Iterable[Mapping[str, Any]]) -> Iterable[Path]:
        """All files that are written."""
        return (self.path(str(case["case"])) for case in cases)

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Writes the volume that has just been segmented."""
        batch = engine.state.batch
        file = self.path(batch["case"])
        write_label_like(engine.state.output["pred"][0, 0], batch["source"], file)
        boxes, starts = len(batch["prompts"]), len(batch.get("starts", ()))
        what = f"{boxes} slices with boxes, {starts} starts"
        if "organ" in engine.inferer.kinds:
            what = "organ prompts on all slices"
        LOGGER.info("%s: %s -> %s", batch["case"], what, file)
