"""Best and last adapter of a run, and the state from which a stopped run goes on exactly."""

from __future__ import annotations

import logging
import math
import pickle
from collections.abc import Mapping
from typing import Any, Protocol

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch.optim import Optimizer

from monai_cobot.errors import CobotError
from monai_cobot.sam import CobotSAM, make_manifest, save_adapter
from monai_cobot.whole_file import whole_file

LOGGER = logging.getLogger(__name__)


class RunPaths(Protocol):
    """What the handler asks of the run's folder."""

    resuming: bool

    @property
    def checkpoints(self) -> Any:
        """Folder of the checkpoints (a path)."""

    @property
    def training_state(self) -> Any:
        """File of the training state (a path)."""

    def finish(self) -> None:
        """Marks the run as finished."""


class StartableSampler(Protocol):
    """A sampler that can begin at any batch of the run."""

    start_batch: int


class CheckpointRun:
    """Writes checkpoints, and continues where the last one stands.

    MONAI's CheckpointSaver keeps whole networks and restarts at an epoch. Here the files hold what
    is trained, and the state is written every ``interval`` iterations and after every epoch's
    validation; since an iteration depends on the seed and its number alone (see
    :class:`SeedIterations`, ``ResumableBatchSampler``), a continued run ends with the same weights.
    Of several processes the first one writes.

    Args:
        network: the model that is trained.
        optimizer: its optimiser.
        sampler: the training loader's batch sampler.
        run: the run's folder.
        manifest: facts for the adapter files, as preprocessing, organs, split hash, seed.
        interval: iterations between two writings of the state.
        validator: the evaluation engine whose key metric chooses the best adapter; ``None`` where
            there is no validation part.

    Raises:
        CobotError: ``interval`` is less than 1.
    """

    def __init__(
        self,
        network: CobotSAM,
        optimizer: Optimizer,
        sampler: StartableSampler,
        run: RunPaths,
        manifest: Mapping[str, Any],
        interval: int = 100,
        validator: Engine | None = None,
    ) -> None:
        if interval < 1:
            raise CobotError(f"checkpoint_interval={interval}: at least 1 iteration is needed")
        self.network = network
        self.optimizer = optimizer
        self.sampler = sampler
        self.run = run
        self.manifest = dict(manifest)
        self.interval = interval
        self.validator = validator
        self.best = -math.inf
        self.best_epoch = 0
        self.kept = 0

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the trainer; after the validation handler."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.keep_place)
        engine.add_event_handler(Events.COMPLETED, self.complete)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.end_epoch)
        if self.validator is not None:
            self.validator.add_event_handler(Events.COMPLETED, self.keep_best, engine)

    def load(self, engine: Engine) -> None:
        """Continues from the saved state where the run's folder has one."""
        if not self.run.resuming:
            return
        file = self.run.training_state
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"], strict=False)
            self.optimizer.load_state_dict(state["optimizer"])
            self.best, self.best_epoch = state["best"], state["best_epoch"]
            iteration = int(state["iteration"])
        except (
            RuntimeError,
            pickle.UnpicklingError,
            EOFError,
            OSError,
            KeyError,
            ValueError,
        ) as error:
            raise CobotError(
                f"{file} cannot be read ({type(error).__name__}): set overwrite: true to train anew"
            ) from error
        engine.state.iteration = self.kept = iteration
        engine.state.epoch = iteration // engine.state.epoch_length
        self.sampler.start_batch = iteration
        LOGGER.info("continuing after iteration %d", iteration)

    def keep_place(self, engine: Engine) -> None:
        """Writes the state within an epoch; at its end :meth:`end_epoch` does, after validation.

        Where gradients of several batches are added up before a step, it waits for the step: the
        gradients are no part of the state.
        """
        place = engine.state.iteration % engine.state.epoch_length
        due = engine.state.iteration // self.interval > self.kept // self.interval
        if due and place and place % getattr(engine, "accumulation_steps", 1) == 0:
            self._save_state(engine)

    def keep_best(self, validator: Engine, trainer: Engine) -> None:
        """Keeps the adapter with the highest validation metric; NaN never wins."""
        value = float(validator.state.metrics[validator.state.key_metric_name])
        if value > self.best:
            self.best, self.best_epoch = value, trainer.state.epoch
            self._save_adapter("best", trainer)
        if idist.get_rank():
            return
        LOGGER.info(
            "epoch %d: validation Dice %.4f (best %.4f, epoch %d)",
            trainer.state.epoch,
            value,
            self.best,
            self.best_epoch,
        )

    def end_epoch(self, engine: Engine) -> None:
        """Writes state and last adapter after an epoch and its validation."""
        self._save_adapter("last", engine)
        self._save_state(engine)

    def complete(self, engine: Engine) -> None:
        """Marks the run as finished; the state is no longer needed."""
        if engine.state.epoch >= engine.state.max_epochs and idist.get_rank() == 0:
            self.run.finish()
            self.run.training_state.unlink(missing_ok=True)

    def _save_adapter(self, which: str, engine: Engine) -> None:
        if idist.get_rank():
            return
        manifest = make_manifest(self.network, **self.manifest, epoch=engine.state.epoch)
        save_adapter(self.network, self.run.checkpoints / f"adapter_{which}.safetensors", manifest)

    def _save_state(self, engine: Engine) -> None:
        self.kept = engine.state.iteration
        if idist.get_rank():
            return
        state = {
            "network": self.network.adapter_state(),
            "optimizer": self.optimizer.state_dict(),
            "iteration": engine.state.iteration,
            "best": self.best,
            "best_epoch": self.best_epoch,
        }
        with whole_file(self.run.training_state) as file:
            torch.save(state, file)
