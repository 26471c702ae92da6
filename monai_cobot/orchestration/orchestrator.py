"""The one owner of all parameters that cross the blocks, and the seam that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_cobot.errors import CobotError
from monai_cobot.orchestration.config import OrchestrationConfig
from monai_cobot.orchestration.hamilton import COMPONENTS, PARAMETRISATIONS, hypercomplex_weight
from monai_cobot.orchestration.initialisation import INITS


class Seam(Protocol):
    """A bottleneck that leaves room for a linear map of its hidden features.

    Attributes:
        down: projection into the V hidden features.
        mix: what is applied to them, an :class:`torch.nn.Identity` until it is orchestrated.
    """

    down: nn.Linear
    mix: nn.Module


class Orchestrator(nn.Module):
    """Inter-block communication and intra-block enhancement of T sites of width V.

    For the hidden features z of site t::

        lm'[t] = sum_m relation_matrix[t, m] * coefficients_lm[m]       # T_w = T x_3 S
        h      = W_t diag(lm'[t] + coefficients_mc[t]) z

    Parameters: ``coefficients_lm`` and ``coefficients_mc`` (T, V), initialised to 1;
    ``relation_matrix`` (T, T), to the identity; hyper-complex blocks (T, 4, V/4, V/4), one stack
    ``blocks`` (direct) or two, ``blocks_a`` and ``blocks_b`` (products), by the config's init.

    Source: SAM-COBOT (arXiv 2311.17112), section 4.

    Args:
        sites: T, number of bottlenecks.
        hidden: V, their width.
        config: the choices there are.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        CobotError: if there is no site, or N does not divide V.
    """

    coefficients_lm: nn.Parameter
    coefficients_mc: nn.Parameter
    relation_matrix: nn.Parameter

    def __init__(
        self,
        sites: int,
        hidden: int,
        config: OrchestrationConfig | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        config = config or OrchestrationConfig()
        config.check_hidden(hidden)
        if sites < 1:
            raise CobotError(
                f"cannot orchestrate {sites} sites: choose a method with bottlenecks in the encoder"
            )
        super().__init__()
        self.sites, self.hidden, self.config = sites, hidden, config
        side = hidden // COMPONENTS
        shapes: dict[str, tuple[int, ...]] = {
            "coefficients_lm": (sites, hidden),
            "coefficients_mc": (sites, hidden),
            "relation_matrix": (sites, sites),
        }
        shapes |= dict.fromkeys(self._stack_names, (sites, COMPONENTS, side, side))
        for name, shape in shapes.items():
            empty = torch.empty(shape, device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(empty))
        self.reset_parameters()

    @property
    def _stack_names(self) -> tuple[str, ...]:
        return PARAMETRISATIONS[self.config.parametrisation].stacks

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the first values, drawing from torch's global generator."""
        nn.init.ones_(self.coefficients_lm)
        nn.init.ones_(self.coefficients_mc)
        nn.init.eye_(self.relation_matrix)
        init = INITS[self.config.init]
        values = init(self.config.parametrisation, self.sites, self.hidden // COMPONENTS)
        for name, value in zip(self._stack_names, values, strict=True):
            self.get_parameter(name).copy_(value)

    def weight(self, site: int) -> Tensor:
        """Weight ``W_t`` of the site's hyper-complex head, (V, V) as (output, input)."""
        stacks = (self.get_parameter(name)[site] for name in self._stack_names)
        return hypercomplex_weight(PARAMETRISATIONS[self.config.parametrisation].compose(*stacks))

    def mixing_matrix(self, site: int) -> Tensor:
        """All that the orchestration does at a site: ``W_t diag(lm'[t] + mc[t])``.

        Args:
            site: t, counted from 0.

        Returns:
            (V, V) as (output, input); differentiable.
        """
        communicated = self.relation_matrix[site] @ self.coefficients_lm
        return self.weight(site) * (communicated + self.coefficients_mc[site])

    def forward(self, z: Tensor, site: int) -> Tensor:
        """Orchestrate hidden features of one site: (..., V) -> (..., V)."""
        return F.linear(z, self.mixing_matrix(site))

    def attach(self, bottlenecks: Sequence[Seam]) -> None:
        """Set the ``mix`` of every bottleneck to its place in this orchestrator.

        The bottlenecks then read this module's parameters, but do not own them: register the
        orchestrator once, in a module that holds the bottlenecks too.

        Args:
            bottlenecks: T bottlenecks of width V, in the order of the sites.

        Raises:
            CobotError: if number or width differ, or one is orchestrated already; then nothing
                has been changed.
        """
        if len(bottlenecks) != self.sites:
            raise CobotError(
                f"{len(bottlenecks)} bottlenecks for an orchestrator of {self.sites} sites: "
                "build it with the number of bottlenecks"
            )
        for site, bottleneck in enumerate(bottlenecks):
            if bottleneck.down.out_features != self.hidden:
                raise CobotError(
                    f"bottleneck {site} has V={bottleneck.down.out_features}, the orchestrator "
                    f"V={self.hidden}: build it with the width of the bottlenecks"
                )
            if not isinstance(bottleneck.mix, nn.Identity):
                raise CobotError(f"bottleneck {site} is orchestrated already: fold it first")
        for site, bottleneck in enumerate(bottlenecks):
            bottleneck.mix = SiteMix(self, site).train(bottleneck.mix.training)

    def extra_repr(self) -> str:
        """Sizes and choices, for ``print(model)``."""
        return f"sites={self.sites}, hidden={self.hidden}, {self.config}"


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
