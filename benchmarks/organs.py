"""A slice with 13 organs in one step, against one (slice, organ) a step with the stock encoder."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from harness import Row, Settings, compare, counted
from torch import nn
from training import Slice, slice_of, step, training_network

# Single precision: the order of sums differs, and that of thirteen gradients.
LOSS, GRADIENT = 1e-5, 1e-3


def measure(settings: Settings) -> Iterator[Row]:
    """Time, and the differences of loss and gradients.

    The steps of one organ cost the same each; two of them are run in a block, and their time is
    multiplied. The 13 are all run to compare loss and gradients.
    """
    count, side = settings.organs, settings.side
    batch = slice_of(side, count, settings.device)
    peer, ours = (training_network(settings, form) for form in ("stock", "auto"))
    loss, gradient = differences(peer, ours, batch)
    if loss > LOSS or gradient > GRADIENT:
        raise SystemExit(f"organs: loss differs by {loss:.1e}, gradients by {gradient:.1e}")
    yield compare(
        "organs", f"{count} organs in one step", f"{side}, against stock, an organ a step",
        lambda: step(peer, batch, slice(0, 1)), lambda: step(ours, batch), settings,
        repeats=(count, 1), bound=1 / 12,
        note=f"peer: {count} times the step of one organ; gradients differ by {gradient:.0e}",
    )  # fmt: skip
    yield counted("organs", "difference of the loss", f"{side}", LOSS, loss, "relative", bound=1)
    yield counted(
        "organs", "difference of gradients", f"{side}", GRADIENT, gradient, "of the largest",
        bound=1,
    )  # fmt: skip


def differences(peer: nn.Module, ours: nn.Module, batch: Slice) -> tuple[float, float]:
    """Of the loss, and of the gradients, each relative to the largest of its tensor.

    What ought to be zero, as the gradient of a bias of the keys, is held against a thousandth of
    the largest gradient of all.
    """
    count = len(batch.boxes)
    together = step(ours, batch)
    alone = torch.stack([step(peer, batch, slice(i, i + 1)) for i in range(count)]).mean()
    expected = {n: p.grad / count for n, p in peer.named_parameters() if p.grad is not None}
    least = 1e-3 * max(float(grad.abs().max()) for grad in expected.values())
    worst = 0.0
    for name, grad in expected.items():
        found = ours.get_parameter(name).grad
        assert found is not None
        worst = max(worst, float((found - grad).abs().max()) / max(float(grad.abs().max()), least))
    for network in (peer, ours):
        network.zero_grad()
    return float((together - alone).abs() / alone.abs()), worst
