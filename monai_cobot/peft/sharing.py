"""Modules in the place of others, with the same parameters under the same keys."""

from __future__ import annotations

from torch import nn


class SharedLinear(nn.Linear):
    """A linear projection with the parameters of another; they are shared, not copied."""

    def __init__(self, base: nn.Linear) -> None:
        # On the meta device: neither memory nor random numbers for what base brings along.
        super().__init__(base.in_features, base.out_features, base.bias is not None, device="meta")
        self.weight, self.bias = base.weight, base.bias

    def plain(self) -> nn.Linear:
        """Give an ordinary projection with these parameters, in the same mode."""
        plain = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        plain.weight, plain.bias = self.weight, self.bias
        return plain.train(self.training)


class SharedLayerNorm(nn.LayerNorm):
    """A LayerNorm with the parameters of another; they are shared, not copied."""

    def __init__(self, base: nn.LayerNorm) -> None:
        super().__init__(base.normalized_shape, base.eps, device="meta")
        self.weight, self.bias = base.weight, base.bias

    def plain(self) -> nn.LayerNorm:
        """Give an ordinary LayerNorm with these parameters, in the same mode."""
        plain = nn.LayerNorm(self.normalized_shape, self.eps, device="meta")
        plain.weight, plain.bias = self.weight, self.bias
        return plain.train(self.training)
