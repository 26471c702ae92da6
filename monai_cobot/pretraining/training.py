"""The loop: endless drawings, prompts, clicks; stopped at any step it goes on as if it had not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

from monai_cobot.errors import CobotError
from monai_cobot.evaluation import MeanScore
from monai_cobot.pretraining.config import PretrainingConfig
from monai_cobot.pretraining.held_out import score_drawings
from monai_cobot.pretraining.interrupt import postponed_interrupt
from monai_cobot.pretraining.losses import StepLoss, answer_loss
from monai_cobot.pretraining.prompting import click_errors, joined, points_inside
from monai_cobot.pretraining.samples import Batch, batches, held_out
from monai_cobot.pretraining.state import State, open_folder, read_state, unreadable, write_state
from monai_cobot.sam import BaseModel, build_random, decode_prompts, get_size
from monai_cobot.sam.base import load_weights
from monai_cobot.sam.build import build_architecture

BETAS = (0.9, 0.98)
"""Of AdamW: the second moment follows within some 50 steps, which a short training needs."""
LOSS_SCALE = 2
"""Masks are compared at this multiple of the decoder's own side, a quarter of the input's."""


@dataclass(frozen=True)
class Record:
    """One row of ``history.csv``: the mean over the answers of a step, and its learning rate."""

    step: int
    loss: float
    focal: float
    dice: float
    quality: float
    lr: float


class Pretraining:
    """A run in a folder.

    Everything that a step draws depends on the seed and the step's number alone, so a run that was
    stopped and continued has the weights of one that was not, bit for bit on the same machine.

    Args:
        config: the recipe.
        folder: gets ``state.pt``, ``history.csv`` and ``held_out.csv``; a run that is there and has
            the same recipe is continued.
        device: where to train.

    Raises:
        CobotError: the device is not there, the folder holds a run of another recipe or cannot be
            used, or its state cannot be read.
    """

    def __init__(
        self, config: PretrainingConfig, folder: str | Path, device: str | torch.device = "cpu"
    ) -> None:
        self.config, self.folder = config, open_folder(folder)
        state = read_state(self.folder)
        if state is not None and not state.config.may_become(config, state.step):
            raise CobotError(
                f"{self.folder} holds a run of another recipe (at step {state.step}): give another "
                "folder, or the same config"
            )
        self.size = get_size(config.sam)
        self.device = checked_device(device)
        self.step = 0
        self._enter(0, build_random(self.size, config.seed).state_dict())
        self.history: list[Record] = []
        self.scores: list[dict[str, Any]] = []
        if state is not None:
            self._resume(state)

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        return self.step >= self.config.steps

    def run(self, until: int | None = None, progress: bool = False) -> None:
        """Train to the end, or to step ``until``; the state is written on the way and at the end.

        Ctrl-C ends the running step, writes the state and is raised then; a second one breaks in at
        once, and the state of the last writing stays.

        Raises:
            CobotError: a gradient is no longer finite.
            KeyboardInterrupt: after Ctrl-C.
        """
        last = self.config.steps if until is None else min(until, self.config.steps)
        with (
            tqdm(
                total=self.config.steps, initial=self.step, unit="step", disable=not progress
            ) as bar,
            postponed_interrupt() as stop_wanted,
        ):
            while self.step < last:
                for batch in self._batches(last):
                    self.history.append(self.train_step(batch))
                    self.step += 1
                    bar.update()
                    bar.set_postfix(loss=f"{_recent(self.history):.3f}")
                    if self.config.held_out and self.step % self.config.held_out_interval == 0:
                        scores = self.evaluate()
                        if progress:
                            bar.write("; ".join(map(str, scores)))
                    stopped = stop_wanted()
                    if stopped or self.step == last or self.step % self.config.state_interval == 0:
                        self.save()
                    if stopped:
                        raise KeyboardInterrupt

    def _batches(self, last: int) -> DataLoader[Any]:
        """The batches up to step ``last`` or to the end of the stage that the next step is in."""
        number, inside = self.config.locate(self.step)
        end = min(last - self.config.first_step(number), self.config.stages[number].steps)
        return batches(self.config, number, inside, end)

    def train_step(self, batch: Batch) -> Record:
        """One step of the optimiser on one batch; the first of a stage enters it.

        Raises:
            CobotError: a gradient is not finite; the optimiser has done nothing.
        """
        number, inside = self.config.locate(self.step)
        if number != self.stage:
            self._enter(number, self.network.state_dict())
        stage = self.config.stages[number]
        torch.manual_seed((self.config.seed * 1_000_003 + self.step) % 2**63)
        by_point = torch.rand(1).item() < stage.point_share
        clicks = int(torch.multinomial(torch.tensor(stage.clicks, dtype=torch.float32), 1))
        rate = stage.rate(inside)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        losses = self._answers(batch, by_point, clicks, stage.focused)
        total = torch.stack([loss.total for loss in losses]).mean()
        self.optimizer.zero_grad()
        torch.autograd.backward(total)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_norm)
        if not norm.isfinite():
            raise CobotError(
                f"the gradient of step {self.step} is not finite (loss {total.item():.3g}): train "
                "anew in another folder with a lower lr or more warmup_steps"
            )
        self.optimizer.step()
        return Record(
            step=self.step,
            loss=total.item(),
            focal=_mean([loss.focal for loss in losses]),
            dice=_mean([loss.dice for loss in losses]),
            quality=_mean([loss.quality for loss in losses]),
            lr=rate,
        )

    def _answers(self, batch: Batch, by_point: bool, clicks: int, focused: bool) -> list[StepLoss]:
        """The losses of the first answer and of those after each click."""
        masks = batch.masks.to(self.device)
        with self._precision():
            embeddings = self.network.image_encoder(batch.images.to(self.device))
        embeddings = embeddings[batch.owner.to(self.device)]
        boxes = None if by_point else batch.boxes.to(self.device)
        points = points_inside(masks) if by_point else None
        previous: Tensor | None = None
        losses = []
        for turn in range(clicks + 1):
            with self._precision():
                answer = decode_prompts(self.network, embeddings, boxes, points, previous)
            low_res, quality = (part.float() for part in answer)
            ambiguous = by_point and turn == 0
            trained = slice(None) if ambiguous else slice(0, 1)
            side = LOSS_SCALE * low_res.shape[-1]
            target = F.adaptive_avg_pool2d(masks[:, None].float(), side)
            logits = F.interpolate(
                low_res[:, trained], (side, side), mode="bilinear", align_corners=False
            )
            losses.append(answer_loss(logits, quality[:, trained], target, ambiguous, focused))
            if turn < clicks:
                previous = low_res[:, :1].detach()
                shown = F.interpolate(previous, masks.shape[-2:], mode="bilinear")[:, 0]
                points = joined(points, click_errors(shown, masks))
        return losses

    def evaluate(self, count: int | None = None) -> list[MeanScore]:
        """Mean Dice on held-out drawings with boxes of each jitter, kept for ``held_out.csv``.

        Args:
            count: how many drawings; default the recipe's ``held_out``. The same number at the
                same step replaces its own rows.
        """
        count = self.config.held_out if count is None else count
        drawings = held_out(self.config, count, self.size.image_size)
        side = self.config.stages[self.stage].image_size
        base = BaseModel(self.config.sam, side, f"step {self.step}", "")
        scores = score_drawings(self.network, base, drawings, self.config.seed)
        others = [s for s in self.scores if (s["step"], s["patients"]) != (self.step, count)]
        self.scores = [*others, *({"step": self.step, **asdict(score)} for score in scores)]
        return scores

    def save(self) -> None:
        """Write state, history and held-out scores, each whole or not at all."""
        state = State(
            config=self.config,
            step=self.step,
            stage=self.stage,
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            history=[asdict(record) for record in self.history],
            scores=self.scores,
        )
        write_state(self.folder, state)

    def _enter(self, stage: int, weights: Mapping[str, Tensor]) -> None:
        """Build the network at a stage's size, with these weights and a fresh optimiser."""
        self.stage = stage
        network = build_architecture(self.size, self.config.stages[stage].image_size)
        load_weights(network, weights, self.size, "of the stage before")
        self.network: Sam = network.to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.config.stages[stage].lr,
            betas=BETAS,
            weight_decay=self.config.weight_decay,
        )

    def _precision(self) -> torch.autocast:
        """Products in the recipe's precision."""
        dtype = getattr(torch, self.config.precision)
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)

    def _resume(self, state: State) -> None:
        try:
            self._enter(state.stage, state.network)
            self.network.load_state_dict(state.network)
            self.optimizer.load_state_dict(state.optimizer)
            self.history = [Record(**record) for record in state.history]
        except (
            RuntimeError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            CobotError,
        ) as error:
            raise unreadable(self.folder, error) from error
        self.step, self.scores = state.step, list(state.scores)


def checked_device(device: str | torch.device) -> torch.device:
    """The device, where something can be put on it.

    Raises:
        CobotError: it is not there.
    """
    try:
        return torch.zeros(1, device=torch.device(device)).device
    except (RuntimeError, AssertionError) as error:
        raise CobotError(
            f"device {str(device)!r} cannot be used ({str(error).splitlines()[0]}): give cpu, or "
            "one that this PyTorch has"
        ) from error


def _mean(values: list[Tensor]) -> float:
    return torch.stack(values).mean().item()


def _recent(history: list[Record], count: int = 50) -> float:
    last = history[-count:]
    return sum(record.loss for record in last) / len(last)
