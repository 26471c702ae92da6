"""A tuned vector: a parameter that is added to or multiplied with features, and its seam."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from monai_cobot.errors import CobotError


@dataclass
class TunedVector:
    """A vector that a method tunes, with room for something that is added to it.

    The owner computes with ``mix(vector)``; ``mix`` is a :class:`torch.nn.Identity` unless somebody
    has put another there.

    Attributes:
        owner: module that has the parameter ``name`` and the submodule ``mix_<name>``.
        name: of the parameter, of shape (length,).
    """

    owner: nn.Module
    name: str

    @property
    def vector(self) -> nn.Parameter:
        """The tuned vector, (length,)."""
        return self.owner.get_parameter(self.name)

    @property
    def length(self) -> int:
        """Number of entries."""
        return self.vector.numel()

    @property
    def mix(self) -> nn.Module:
        """What is applied to the vector before it is used, (length,) -> (length,)."""
        return self.owner.get_submodule(f"mix_{self.name}")

    @mix.setter
    def mix(self, module: nn.Module) -> None:
        self.owner.set_submodule(f"mix_{self.name}", module)


@torch.no_grad()
def settle(vector: TunedVector, displacement: Tensor) -> None:
    """Add to a vector what its ``mix`` adds, exactly; afterwards it is tuned by itself again.

    The sum is formed in float64, whatever the dtype.

    Args:
        vector: changed in place; the parameter stays the same object and has gradients.
        displacement: (length,), what ``mix`` adds.

    Raises:
        CobotError: if ``mix`` is an identity already, or the displacement has another length.
    """
    if isinstance(vector.mix, nn.Identity):
        raise CobotError("nothing to settle: the vector's mix is an identity already")
    if displacement.shape != (vector.length,):
        raise CobotError(
            f"a displacement of shape {tuple(displacement.shape)} does not fit a vector of "
            f"{vector.length} entries"
        )
    moved = vector.vector.to("cpu", torch.float64) + displacement.to("cpu", torch.float64)
    vector.vector.copy_(moved)
    vector.vector.requires_grad_(True)
    vector.mix = nn.Identity().train(vector.mix.training)
