"""The loop: endless drawings, prompts, clicks; stopped at any step it goes on as if it had not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from monai_cobot.errors import CobotError
from monai_cobot.pretraining.config import PretrainingConfig
from monai_cobot.pretraining.held_out import HeldOutScore, score_drawings
from monai_cobot.pretraining.interrupt import postponed_interrupt
from monai_cobot.pretraining.losses import StepLoss, answer_loss
from monai_cobot.pretraining.prompting import (
    click_errors,
    decode_prompts,
    joined,
    points_inside,
)
from monai_cobot.pretraining.samples import Batch, batches, held_out
from monai_cobot.pretraining.state import State, open_folder, read_state, unreadable, write_state
from monai_cobot.sam.build import build_random
from monai_cobot.sam.sizes import get_size

BETAS = (0.9, 0.98)
"""Of AdamW: the second moment follows within some 50 steps, which a short training needs."""
LOSS_SIDE = 128
"""Masks are compared at this side at most: half of the small SAM's input, twice its answer's."""

Module = TypeVar("Module", bound=nn.Module)


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
        self.network: Sam = _moved(build_random(self.size, config.seed), device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.lr,
            betas=BETAS,
            weight_decay=config.weight_decay,
        )
        self.step = 0
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
        loader = batches(self.config, self.size.image_size, self.step, last)
        with (
            tqdm(
                total=self.config.steps, initial=self.step, unit="step", disable=not progress
            ) as bar,
            postponed_interrupt() as stop_wanted,
        ):
            for batch in loader:
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

    def train_step(self, batch: Batch) -> Record:
        """One step of the optimiser on one batch.

        Raises:
            CobotError: a gradient is not finite; the weights are as before.
        """
        torch.manual_seed((self.config.seed * 1_000_003 + self.step) % 2**63)
        kind = torch.rand(1).item()
        shares = torch.tensor(self.config.clicks, dtype=torch.float32)
        clicks = int(torch.multinomial(shares, 1))
        rate = self.config.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        plain = self.step < self.config.plain_steps
        if plain:
            losses = self._answers(batch, by_point=False, clicks=0, focused=False)
        else:
            losses = self._answers(batch, kind < self.config.point_share, clicks)
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

    def _answers(
        self, batch: Batch, by_point: bool, clicks: int, focused: bool = True
    ) -> list[StepLoss]:
        """The losses of the first answer and of those after each click."""
        masks = batch.masks.to(self.device)
        target = F.adaptive_avg_pool2d(masks[:, None].float(), min(LOSS_SIDE, masks.shape[-1]))
        embeddings = self.network.image_encoder(batch.images.to(self.device))
        embeddings = embeddings[batch.owner.to(self.device)]
        boxes = None if by_point else batch.boxes.to(self.device)
        points = points_inside(masks) if by_point else None
        previous: Tensor | None = None
        losses = []
        for turn in range(clicks + 1):
            low_res, quality = decode_prompts(self.network, embeddings, boxes, points, previous)
            ambiguous = by_point and turn == 0
            trained = slice(None) if ambiguous else slice(0, 1)
            logits = F.interpolate(
                low_res[:, trained], target.shape[-2:], mode="bilinear", align_corners=False
            )
            losses.append(answer_loss(logits, quality[:, trained], target, ambiguous, focused))
            if turn < clicks:
                previous = low_res[:, :1].detach()
                answer = F.interpolate(previous, masks.shape[-2:], mode="bilinear")[:, 0]
                points = joined(points, click_errors(answer, masks))
        return losses

    def evaluate(self, count: int | None = None) -> list[HeldOutScore]:
        """Mean Dice on held-out drawings with boxes of each jitter, kept for ``held_out.csv``.

        Args:
            count: how many drawings; default the recipe's ``held_out``. The same number at the
                same step replaces its own rows.
        """
        count = self.config.held_out if count is None else count
        drawings = held_out(self.config, count, self.size.image_size)
        scores = score_drawings(self.network, drawings, self.config.seed)
        others = [s for s in self.scores if (s["step"], s["drawings"]) != (self.step, count)]
        self.scores = [*others, *({"step": self.step, **score.to_dict()} for score in scores)]
        return scores

    def save(self) -> None:
        """Write state, history and held-out scores, each whole or not at all."""
        state = State(
            config=self.config,
            step=self.step,
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            history=[asdict(record) for record in self.history],
            scores=self.scores,
        )
        write_state(self.folder, state)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        device: torch.device = self.network.device
        return device

    def _resume(self, state: State) -> None:
        try:
            self.network.load_state_dict(state.network)
            self.optimizer.load_state_dict(state.optimizer)
            self.history = [Record(**record) for record in state.history]
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise unreadable(self.folder, error) from error
        self.step, self.scores = state.step, list(state.scores)


def _moved(network: Module, device: str | torch.device) -> Module:
    try:
        return network.to(torch.device(device))
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
