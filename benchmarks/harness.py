"""What the benchmarks share: runs in blocks of A B B A, medians with intervals, rows of a table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from tiny import TINY

from monai_cobot.sam import SIZES

if TYPE_CHECKING:
    from keeping import Ledger

SIZES.setdefault(TINY.name, TINY)

DRAWS = 10_000


@dataclass(frozen=True)
class Settings:
    """What is measured, and how.

    Attributes:
        sam: size of SAM.
        sides: of the input, pixels; parts that take one side take ``side``.
        side: of the parts that are measured at one.
        blocks: of A B B A.
        organs: in a slice.
        device: ``cpu`` or ``cuda``.
        threads: of PyTorch.
        quick: tiny problems, to see that everything runs; its numbers mean nothing.
        authors: a checkout of the authors' code, or empty.
        ledger: the comparisons that are done, for a part that is stopped; no setting.
    """

    sam: str = "vit_b"
    sides: tuple[int, ...] = (256, 512, 1024)
    side: int = 512
    blocks: int = 9
    organs: int = 13
    device: str = "cpu"
    threads: int = 1
    quick: bool = False
    authors: str = ""
    ledger: Ledger | None = field(default=None, compare=False)

    @property
    def clock(self) -> str:
        """``cpu`` with one thread: others on the machine disturb it less; else ``wall``."""
        return "cpu" if self.device == "cpu" and self.threads == 1 else "wall"

    def to_dict(self) -> dict[str, Any]:
        """The settings alone, as JSON gives them back."""
        found = {name: value for name, value in vars(self).items() if name != "ledger"}
        return json.loads(json.dumps(found))


QUICK = Settings("tiny", (64,), 64, blocks=2, organs=3, quick=True)


@dataclass(frozen=True)
class Row:
    """A comparison: ours over the peer's.

    Attributes:
        part: of the benchmarks.
        name: what is compared.
        variant: of it, such as the side and the peer.
        ratio: ours / peer, the median over blocks.
        low: of the bootstrap interval (95 %) of the median; the ratio itself where it is counted.
        high: likewise.
        peer: value of the peer, the median.
        ours: likewise.
        unit: of these two.
        wall: the ratio by the wall clock, where another counts.
        bound: at most so much is asked of the ratio.
        note: what has to be known to read the row.
        growth: the ratio is no race: how time grows with something, or a share of the roof.
    """

    part: str
    name: str
    variant: str
    ratio: float
    low: float
    high: float
    peer: float
    ours: float
    unit: str
    wall: float | None = None
    bound: float | None = None
    note: str = ""
    growth: bool = False


class Time(NamedTuple):
    """Seconds of a run by both clocks."""

    cpu: float
    wall: float


def timed(run: Callable[[], object], device: str) -> Time:
    """Time one run; on a GPU from one synchronisation to the next."""
    synchronise(device)
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    synchronise(device)
    return Time(time.process_time() - cpu, time.perf_counter() - wall)


def synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


@dataclass
class Runs:
    """The runs of a peer and ours, two each a block."""

    peer: list[list[Time]] = field(default_factory=list)
    ours: list[list[Time]] = field(default_factory=list)

    def ratios(self, clock: str, scale: float = 1.0) -> np.ndarray[Any, Any]:
        """Ours / peer of each block's sums; ``scale`` is multiplied in."""
        peer, ours = (
            np.array([sum(getattr(run, clock) for run in block) for block in blocks])
            for blocks in (self.peer, self.ours)
        )
        return scale * ours / peer

    def median(self, whose: str, clock: str) -> float:
        blocks: list[list[Time]] = getattr(self, whose)
        return float(np.median([getattr(run, clock) for block in blocks for run in block]))


def in_blocks(peer: Callable[[], object], ours: Callable[[], object], settings: Settings) -> Runs:
    """Run peer, ours, ours, peer, block by block, after a run of each to warm up.

    A slow minute of the machine meets both, and so does what drifts.
    """
    runs, device = Runs(), settings.device
    peer()
    ours()
    for _ in range(settings.blocks):
        first, *own, last = (timed(run, device) for run in (peer, ours, ours, peer))
        runs.peer.append([first, last])
        runs.ours.append(own)
    return runs


def median_interval(values: Sequence[float] | np.ndarray[Any, Any]) -> tuple[float, float, float]:
    """The median and its bootstrap interval (95 %), by draws from a fixed seed."""
    found = np.asarray(values, dtype=float)
    draws = np.random.default_rng(0).choice(found, (DRAWS, len(found)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    return float(np.median(found)), float(low), float(high)


def compare(
    part: str,
    name: str,
    variant: str,
    peer: Callable[[], object],
    ours: Callable[[], object],
    settings: Settings,
    repeats: tuple[int, int] = (1, 1),
    **more: Any,
) -> Row:
    """Time two ways of doing the same.

    Args:
        part, name, variant: of the row.
        peer, ours: a run each.
        settings: how many blocks, and which clock.
        repeats: what the peer's and our time is to be multiplied with: a run may be a known
            share of the work.
        more: ``bound``, ``note`` and ``growth`` of the row.
    """

    def measure() -> Row:
        return from_runs(part, name, variant, in_blocks(peer, ours, settings), settings, repeats,
                        **more)  # fmt: skip

    return settings.ledger.once(name, variant, measure) if settings.ledger else measure()


def from_runs(
    part: str,
    name: str,
    variant: str,
    runs: Runs,
    settings: Settings,
    repeats: tuple[int, int] = (1, 1),
    **more: Any,
) -> Row:
    """The row of what was timed."""
    scale = repeats[1] / repeats[0]
    ratio, low, high = median_interval(runs.ratios(settings.clock, scale))
    seconds = [
        count * runs.median(whose, settings.clock)
        for whose, count in zip(("peer", "ours"), repeats, strict=True)
    ]
    wall = None
    if settings.clock != "wall":
        wall = float(np.median(runs.ratios("wall", scale)))
    return Row(part, name, variant, ratio, low, high, *seconds, "s", wall, **more)


def counted(
    part: str, name: str, variant: str, peer: float, ours: float, unit: str, **more: Any
) -> Row:
    """A row of what is counted, or measured once."""
    ratio = ours / peer
    return Row(part, name, variant, ratio, ratio, ratio, peer, ours, unit, **more)
