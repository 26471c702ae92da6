"""Progress of training and of volume loops, on a terminal and in the log."""

from __future__ import annotations

import logging
from typing import Any

from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar

LOGGER = logging.getLogger(__name__)


class TrainingProgress:
    """A bar with the running loss and the last validation Dice, and a log line an epoch.

    The bar is drawn on a terminal only; the log line is written everywhere.

    Args:
        validator: engine whose key metric is shown beside the loss; ``None`` without validation.
    """

    def __init__(self, validator: Engine | None = None) -> None:
        self.validator = validator
        self.total = 0.0
        self.count = 0

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._log)
        ProgressBar(persist=True, desc="epoch", disable=None).attach(
            engine, output_transform=lambda _: self.values()
        )

    def values(self) -> dict[str, float]:
        """Mean loss of the epoch so far, and the last validation Dice."""
        shown = {"loss": self.total / max(self.count, 1)}
        metrics: dict[str, Any] = self.validator.state.metrics if self.validator else {}
        name = getattr(self.validator.state, "key_metric_name", None) if self.validator else None
        if name in metrics:
            shown["validation_dice"] = float(metrics[name])
        return shown

    def _reset(self, engine: Engine) -> None:
        self.total, self.count = 0.0, 0

    def _add(self, engine: Engine) -> None:
        self.total += engine.state.output["loss"].item()
        self.count += 1

    def _log(self, engine: Engine) -> None:
        LOGGER.info(
            "epoch %d of %d: mean loss %.4f over %d iterations",
            engine.state.epoch,
            engine.state.max_epochs,
            self.total / max(self.count, 1),
            self.count,
        )
