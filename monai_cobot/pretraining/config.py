"""The settings of a pretraining, read from YAML and checked."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from monai_cobot.errors import CobotError
from monai_cobot.sam.sizes import get_size
from monai_cobot.transforms import BoxJitter

DEFAULT = Path(__file__).with_name("small.yaml")

LIKE_ANY_RUN = (
    "steps",
    "decay_steps",
    "held_out",
    "held_out_interval",
    "state_interval",
    "workers",
)
"""Settings that may differ between a run and its continuation before the decay."""

LOWEST_WHOLE = {
    "seed": 0, "steps": 1, "decay_steps": 0, "warmup_steps": 0, "plain_steps": 0,
    "batch_size": 1, "prompts": 1, "reuse": 1, "held_out": 0, "held_out_interval": 1,
    "state_interval": 1, "workers": 0,
}  # fmt: skip
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class PretrainingConfig:
    """See ``small.yaml``, which says what each setting is.

    Raises:
        CobotError: a number out of its range, or an unknown SAM or jitter.
    """

    sam: str
    seed: int
    steps: int
    decay_steps: int
    warmup_steps: int
    plain_steps: int
    batch_size: int
    prompts: int
    reuse: int
    lr: float
    weight_decay: float
    gradient_norm: float
    point_share: float
    clicks: tuple[float, ...]
    jitters: tuple[Mapping[str, Any], ...]
    held_out: int
    held_out_interval: int
    state_interval: int
    workers: int

    def __post_init__(self) -> None:
        get_size(self.sam)
        for name, lowest in LOWEST_WHOLE.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise CobotError(f"{name}={value!r}: give a whole number of at least {lowest}")
        for name in ("lr", "gradient_norm"):
            if not (_is_number(getattr(self, name)) and getattr(self, name) > 0):
                raise CobotError(
                    f"{name}={getattr(self, name)!r}: give a number above 0, as 1.0e-3"
                )
        if not (_is_number(self.weight_decay) and self.weight_decay >= 0):
            raise CobotError(f"weight_decay={self.weight_decay!r}: give a number of at least 0")
        if self.seed > LARGEST_SEED:
            raise CobotError(f"seed={self.seed}: give one of at most {LARGEST_SEED}")
        first = max(self.warmup_steps, self.plain_steps)
        if self.decay_steps + first > self.steps:
            raise CobotError(
                f"warmup_steps={self.warmup_steps}, plain_steps={self.plain_steps} and "
                f"decay_steps={self.decay_steps} do not fit into steps={self.steps}: make steps "
                "larger"
            )
        if not _are_shares((self.point_share,)):
            raise CobotError(f"point_share={self.point_share!r}: give a number between 0 and 1")
        if not _are_shares(self.clicks) or abs(sum(self.clicks) - 1) > 1e-6:
            raise CobotError(
                f"clicks={list(self.clicks)!r}: give shares between 0 and 1 that add up to 1"
            )
        if not self.jitters:
            raise CobotError("jitters is empty: give {mode: proportional, size: 0} for exact boxes")
        for jitter in self.jitters:
            if jitter is None:
                raise CobotError("a jitter is empty: give {mode: proportional, size: 0}")
            BoxJitter.from_mapping(jitter)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> PretrainingConfig:
        """Read settings; those that are missing are ``small.yaml``'s.

        Raises:
            CobotError: an unknown setting, or what the class itself refuses.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(map(str, values)) - known)
        if unknown:
            raise CobotError(f"unknown setting(s) {unknown}: choose from {sorted(known)}")
        merged = {**yaml.safe_load(DEFAULT.read_text(encoding="utf-8")), **values}
        for name in ("clicks", "jitters"):
            if not isinstance(merged[name], list | tuple):
                raise CobotError(f"{name}={merged[name]!r}: give a list, as small.yaml does")
            merged[name] = tuple(merged[name])
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
        return {**asdict(self), "clicks": list(self.clicks), "jitters": [*map(dict, self.jitters)]}

    @property
    def trunk(self) -> str:
        """SHA-256 of what the steps before the decay depend on."""
        values = {k: v for k, v in self.to_dict().items() if k not in LIKE_ANY_RUN}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def may_become(self, other: PretrainingConfig, step: int) -> bool:
        """Whether a run of this recipe that stands at ``step`` can go on with another one.

        The end may change while the rate has not begun to fall by either; whatever the steps so far
        depend on may not.
        """
        same_end = (self.steps, self.decay_steps) == (other.steps, other.decay_steps)
        before_decay = step <= min(c.steps - c.decay_steps for c in (self, other))
        return self.trunk == other.trunk and (same_end or before_decay)

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, …: up linearly, constant, down linearly to nothing.

        It goes up twice: at the start, and after the ``plain_steps``.
        """
        since = step - self.plain_steps if step >= self.plain_steps else step
        up = min(1.0, (since + 1) / max(self.warmup_steps, 1))
        down = min(1.0, (self.steps - step) / max(self.decay_steps, 1))
        return self.lr * min(up, down)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_shares(values: tuple[object, ...]) -> bool:
    return all(_is_number(value) and 0 <= value <= 1 for value in values)
