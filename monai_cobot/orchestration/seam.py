"""Where an orchestrator meets what it orchestrates, and the modules put there that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor, nn

if TYPE_CHECKING:
    from monai_cobot.orchestration.orchestrator import Orchestrator


class Seam(Protocol):
    """A bottleneck that leaves room for a linear map of its hidden features.

    Attributes:
        mix: what is applied to them, an :class:`torch.nn.Identity` until it is orchestrated.
    """

    mix: nn.Module

    @property
    def down(self) -> nn.Linear:
        """Projection into the V hidden features."""


class VectorSeam(Protocol):
    """A vector that a method tunes, with room for something that is added to it.

    Attributes:
        mix: what is applied to it, an :class:`torch.nn.Identity` until it is orchestrated.
    """

    mix: nn.Module

    @property
    def vector(self) -> nn.Parameter:
        """The vector, (length,)."""


class SiteMix(nn.Module):
    """One site's view of an :class:`Orchestrator`: (..., V) -> (..., V).

    It owns nothing: no parameters, no submodules, no keys in a state dict. The orchestrator is
    an attribute that is deliberately *not registered*, so that its parameters have one owner and
    appear once. A deep copy or a pickle of a module that registers the orchestrator and holds the
    sites keeps them together: the copy's sites read the copy's orchestrator.

    Args:
        orchestrator: owner of the parameters.
        site: index t of this site.
    """

    orchestrator: Orchestrator

    def __init__(self, orchestrator: Orchestrator, site: int) -> None:
        super().__init__()
        self.__dict__["orchestrator"] = orchestrator  # past nn.Module's registration
        self.site = site

    def forward(self, z: Tensor) -> Tensor:
        """Orchestrate the hidden features of this site: (..., V) -> (..., V)."""
        mixed: Tensor = self.orchestrator(z, self.site)
        return mixed

    def extra_repr(self) -> str:
        """The site, for ``print(model)``."""
        return f"site={self.site}"


class VectorMix(nn.Module):
    """What an :class:`Orchestrator` adds to a vector: (count V,) -> (count V,).

    It owns nothing, as :class:`SiteMix`.

    Args:
        orchestrator: owner of the parameters.
        first: index t of the vector's first site.
        count: number of its sites.
    """

    orchestrator: Orchestrator

    def __init__(self, orchestrator: Orchestrator, first: int, count: int) -> None:
        super().__init__()
        self.__dict__["orchestrator"] = orchestrator  # past nn.Module's registration
        self.first, self.count = first, count

    def displacement(self) -> Tensor:
        """What is added, (count V,)."""
        return self.orchestrator.displacements(self.first, self.count).flatten()

    def forward(self, vector: Tensor) -> Tensor:
        """Add the sites' tuned sets to the vector: (count V,) -> (count V,)."""
        return vector + self.displacement()

    def extra_repr(self) -> str:
        """The sites, for ``print(model)``."""
        return f"sites={self.first}..{self.first + self.count - 1}"
