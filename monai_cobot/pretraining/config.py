"""The settings of a pretraining, read from YAML and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from monai_cobot.errors import CobotError
from monai_cobot.pretraining.stage import Stage, check_whole, is_number
from monai_cobot.sam.sizes import get_size

DEFAULT = Path(__file__).with_name("small.yaml")

LIKE_ANY_RUN = ("held_out", "held_out_interval", "state_interval", "workers")
"""Settings that may differ between a run and its continuation."""

LOWEST_WHOLE = {
    "seed": 0, "reuse": 1, "held_out": 0, "held_out_interval": 1, "state_interval": 1, "workers": 0,
}  # fmt: skip
LARGEST_SEED = 2**63 - 1
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class PretrainingConfig:
    """See ``small.yaml``, which says what each setting is.

    Raises:
        CobotError: a number out of its range, an unknown SAM or precision, no stage, or stages that
            do not fit the SAM.
    """

    sam: str
    seed: int
    precision: str
    weight_decay: float
    gradient_norm: float
    reuse: int
    stages: tuple[Stage, ...]
    held_out: int
    held_out_interval: int
    state_interval: int
    workers: int

    def __post_init__(self) -> None:
        size = get_size(self.sam)
        check_whole(self, LOWEST_WHOLE)
        if not (is_number(self.gradient_norm) and self.gradient_norm > 0):
            raise CobotError(f"gradient_norm={self.gradient_norm!r}: give a number above 0, as 1.0")
        if not (is_number(self.weight_decay) and self.weight_decay >= 0):
            raise CobotError(f"weight_decay={self.weight_decay!r}: give a number of at least 0")
        if self.seed > LARGEST_SEED:
            raise CobotError(f"seed={self.seed}: give one of at most {LARGEST_SEED}")
        if self.precision not in PRECISIONS:
            raise CobotError(f"precision={self.precision!r}: choose one of {', '.join(PRECISIONS)}")
        if not self.stages:
            raise CobotError("stages is empty: give one at least, as small.yaml does")
        for number, stage in enumerate(self.stages, 1):
            if stage.image_size % size.patch:
                raise CobotError(
                    f"stage {number}: image_size={stage.image_size}: give a multiple of the patch, "
                    f"{size.patch}"
                )
            if stage.batch_size % self.reuse:
                raise CobotError(
                    f"stage {number}: batch_size={stage.batch_size} is not a multiple of "
                    f"reuse={self.reuse}, and a step draws that share anew: change one of them"
                )
        if self.stages[-1].image_size != size.image_size:
            raise CobotError(
                f"the last stage has image_size={self.stages[-1].image_size}: give "
                f"{size.image_size}, the input of sam: {self.sam}"
            )

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def locate(self, step: int) -> tuple[int, int]:
        """The stage's number that a step belongs to, and its number in there; both from 0."""
        for number, stage in enumerate(self.stages):
            if step < stage.steps:
                return number, step
            step -= stage.steps
        raise IndexError(f"step {step + self.steps} of {self.steps}")

    def first_step(self, stage: int) -> int:
        """The step that a stage begins with."""
        return sum(earlier.steps for earlier in self.stages[:stage])

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> PretrainingConfig:
        """Read settings; those that are missing are ``small.yaml``'s.

        Raises:
            CobotError: an unknown setting, or what the class itself refuses.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(map(str, values)) - known)
        if unknown:
            raise CobotError(
                f"unknown setting(s) {unknown}: choose from {sorted(known)}; others stand in stages"
            )
        merged = {**yaml.safe_load(DEFAULT.read_text(encoding="utf-8")), **values}
        if not isinstance(merged["stages"], list | tuple):
            raise CobotError(f"stages={merged['stages']!r}: give a list, as small.yaml does")
        stages = []
        for number, stage in enumerate(merged["stages"], 1):
            try:
                stages.append(Stage.from_mapping(stage))
            except CobotError as error:
                raise CobotError(f"stage {number}: {error}") from error
        merged["stages"] = tuple(stages)
        return cls(**merged)

    @classmethod
    def complete(cls, values: Mapping[str, Any]) -> PretrainingConfig:
        """Read settings that :meth:`to_dict` gave.

        Raises:
            CobotError: one is missing, as in what another version wrote, or unknown, or refused.
        """
        missing = sorted({field.name for field in fields(cls)} - set(map(str, values)))
        if missing:
            raise CobotError(f"setting(s) {missing} are missing: give them all")
        return cls.from_mapping(values)

    @classmethod
    def load(cls, path: str | Path | None = None) -> PretrainingConfig:
        """Read a YAML file; None is the recipe of the shipped weights.

        Raises:
            CobotError: a file that cannot be read or holds no settings, or what it holds is
                refused; the message names the file.
        """
        file = DEFAULT if path is None else Path(path).expanduser()
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise CobotError(f"{file} cannot be read as YAML ({error}): mend it") from error
        if not isinstance(values, Mapping):
            raise CobotError(f"{file} holds no settings: see monai_cobot/pretraining/small.yaml")
        try:
            return cls.from_mapping(values)
        except CobotError as error:
            raise CobotError(f"{file}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and checkpoints."""
        return {**asdict(self), "stages": [stage.to_dict() for stage in self.stages]}

    def trunk(self, stage: int) -> str:
        """SHA-256 of what the steps up to a stage depend on, its own end left out."""
        open_ended = replace(self.stages[stage], steps=1, warmup_steps=0, decay_steps=0)
        started = (*self.stages[:stage], open_ended)
        values = {
            name: value
            for name, value in self.to_dict().items()
            if name not in (*LIKE_ANY_RUN, "stages")
        }
        values["stages"] = [one.to_dict() for one in started]
        values["warmup_steps"] = self.stages[stage].warmup_steps
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def may_become(self, other: PretrainingConfig, step: int) -> bool:
        """Whether a run of this recipe that stands at ``step`` can go on with another one.

        The stage's end may change while its rate has not begun to fall by either, and so may the
        stages to come; whatever the steps so far depend on may not.
        """
        if step == 0:
            return self.trunk(0) == other.trunk(0)
        number, inside = self.locate(step - 1)
        if number >= len(other.stages) or self.trunk(number) != other.trunk(number):
            return False
        mine, new = self.stages[number], other.stages[number]
        same_end = (mine.steps, mine.decay_steps) == (new.steps, new.decay_steps)
        return same_end or inside + 1 <= min(s.steps - s.decay_steps for s in (mine, new))
