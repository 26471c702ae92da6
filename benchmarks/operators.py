"""Counting what PyTorch is asked to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


class Operators(TorchDispatchMode):
    """Counts all operators by their names, backward's too; ``computing`` leaves views out."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.computing = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        self.counts[str(func)] += 1
        self.computing += not func.is_view
        return func(*args, **(kwargs or {}))


def operators_of(run: Callable[[], object]) -> Operators:
    """The operators of a run."""
    run()  # what is made once is not of the run
    with Operators() as operators:
        run()
    return operators


def flops_of(run: Callable[[], object]) -> int:
    """Floating point operations of the products and convolutions of a run."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())
