"""What all sites of an orchestrator need, made once a forward and kept for its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Made = Mapping[int, tuple[Tensor, ...]]
"""The tensors of a site, or of a vector's sites, by the (first) site."""


class ForwardCache:
    """Keeps what ``make`` gives for the time of a module's forward, and no longer.

    Between forwards there is nothing: a site that is run by itself makes its own, so that no value
    is ever older than the parameters. What is compiled, exported or traced does so too.

    Args:
        make: what all sites need; differentiable.
    """

    def __init__(self, make: Callable[[], Made]) -> None:
        self.make = make
        self.made: Made | None = None
        self.handles: list[RemovableHandle] = []

    def within(self, module: nn.Module) -> None:
        """Keep it for each forward of the module that holds the sites."""
        self.handles += [
            module.register_forward_pre_hook(self._begin),
            module.register_forward_hook(self._end, always_call=True),
        ]

    @contextmanager
    def during(self) -> Iterator[None]:
        """Keep it for a block of code that stands for a forward, as of a module's last layers."""
        self._begin()
        try:
            yield
        finally:
            self._end()

    def remove(self) -> None:
        """Leave the module as it was before :meth:`within`."""
        for handle in self.handles:
            handle.remove()
        self.handles = []

    def recomputing(self) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        """A ``context_fn`` for :func:`torch.utils.checkpoint.checkpoint`.

        What is computed again in backward, when the forward is over, reads what that forward made.
        """
        return nullcontext(), self._again(self.made)

    @contextmanager
    def _again(self, made: Made | None) -> Iterator[None]:
        before, self.made = self.made, made
        try:
            yield
        finally:
            self.made = before

    def _begin(self, *_: Any) -> None:
        if not _is_recorded():
            self.made = self.make()

    def _end(self, *_: Any) -> None:
        if not _is_recorded():
            self.made = None


def _is_recorded() -> bool:
    return bool(
        torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )
