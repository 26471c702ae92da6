"""Progress of training and of volume loops, on a terminal and in the log."""

from __future__ import annotations

import logging
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar

LOGGER = logging.getLogger(__name__)


class TrainingProgress:
    """A bar with the running loss and the last validation Dice, and a log line an epoch.

    The bar is drawn on a terminal only; the log line is written everywhere. Of several processes
    the loss is the mean over them, which with :func:`~monai_cobot.losses.process_weights` is that
    of one process with the whole batch; it takes the place of the process's own in the engine's
    output, where later handlers find it. The first process alone shows and logs it.

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
        disable = True if idist.get_rank() else None  # None: where there is no terminal
        ProgressBar(persist=True, desc="epoch", disable=disable).attach(
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
        # A copy: all_reduce works in place, and the loss belongs to the trainer.
        loss = engine.state.output["loss"].detach().clone()
        loss = idist.all_reduce(loss) / idist.get_world_size()
        engine.state.output["loss"] = loss
        self.total += loss.item()
        self.count += 1

    def _log(self, engine: Engine) -> None:
        if idist.get_rank():
            return
        LOGGER.info(
            "epoch %d of %d: mean loss %.4f over %d iterations",
            engine.state.epoch,
            engine.state.max_epochs,
            self.total / max(self.count, 1),
            self.count,
        )
