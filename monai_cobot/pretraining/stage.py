"""One stage of a pretraining: an input size, its prompts and its rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeGuard

from monai_cobot.errors import CobotError, require_whole
from monai_cobot.transforms import BoxJitter

LOWEST_WHOLE = {
    "image_size": 16, "steps": 1, "warmup_steps": 0, "decay_steps": 0, "batch_size": 1,
    "prompts": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """See ``small.yaml``, which says what each setting is.

    Raises:
        CobotError: a number out of its range, or an unknown jitter.
    """

    image_size: int
    steps: int
    warmup_steps: int
    decay_steps: int
    batch_size: int
    prompts: int
    lr: float
    focused: bool
    point_share: float
    clicks: tuple[float, ...]
    jitters: tuple[Mapping[str, Any], ...]

    def __post_init__(self) -> None:
        check_whole(self, LOWEST_WHOLE)
        if not (is_number(self.lr) and self.lr > 0):
            raise CobotError(f"lr={self.lr!r}: give a number above 0, as 1.0e-3")
        if not isinstance(self.focused, bool):
            raise CobotError(f"focused={self.focused!r}: give true or false")
        if self.warmup_steps + self.decay_steps > self.steps:
            raise CobotError(
                f"warmup_steps={self.warmup_steps} and decay_steps={self.decay_steps} do not fit "
                f"into steps={self.steps}: make steps larger"
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
    def from_mapping(cls, values: object) -> Stage:
        """Read a stage, all of whose settings are there.

        Raises:
            CobotError: no mapping, a setting that is missing or unknown, or what the class refuses.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping):
            raise CobotError(f"{values!r} is no stage: give {sorted(known)}, as small.yaml does")
        given = set(map(str, values))
        if given != known:
            raise CobotError(
                f"missing setting(s) {sorted(known - given)}, unknown one(s) "
                f"{sorted(given - known)}: give all settings of small.yaml's stages, no others"
            )
        read = dict(values)
        for name in ("clicks", "jitters"):
            if not isinstance(read[name], list | tuple):
                raise CobotError(f"{name}={read[name]!r}: give a list, as small.yaml does")
            read[name] = tuple(read[name])
        return cls(**read)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and checkpoints."""
        return {**asdict(self), "clicks": list(self.clicks), "jitters": [*map(dict, self.jitters)]}

    def rate(self, step: int) -> float:
        """Learning rate of the stage's step 0, 1, …: up linearly, constant, down linearly."""
        up = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        down = min(1.0, (self.steps - step) / max(self.decay_steps, 1))
        return self.lr * min(up, down)


def check_whole(settings: object, lowest: Mapping[str, int]) -> None:
    """CobotError where an attribute is no whole number, or is below its lowest value."""
    for name, least in lowest.items():
        require_whole(name, getattr(settings, name), least)


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite number and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_shares(values: tuple[object, ...]) -> bool:
    return all(is_number(value) and 0 <= value <= 1 for value in values)
