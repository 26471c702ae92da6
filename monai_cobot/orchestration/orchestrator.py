"""The one owner of all parameters that cross the blocks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_cobot.errors import CobotError
from monai_cobot.orchestration.config import COEFFICIENTS, OrchestrationConfig
from monai_cobot.orchestration.forward_cache import ForwardCache, Made
from monai_cobot.orchestration.hamilton import COMPONENTS, PARAMETRISATIONS, hypercomplex_weight
from monai_cobot.orchestration.initialisation import (
    INITS,
    orthogonal_matrices,
    random_relation,
)
from monai_cobot.orchestration.seam import Seam, SiteMix, VectorMix, VectorSeam


class Orchestrator(nn.Module):
    """Inter-block communication and intra-block enhancement of T sites of width V.

    For the hidden features z of site t::

        lm'[t] = sum_m relation_matrix[t, m] * coefficients_lm[m]       # T_w = T x_3 S
        h      = W_t diag(lm'[t] + coefficients_mc[t]) z

    Parameters: ``coefficients_lm`` and ``coefficients_mc`` (T, V), initialised to 1;
    ``relation_matrix`` (T, T), to the identity; hyper-complex blocks (T, 4, V/4, V/4), one stack
    ``blocks`` (direct) or two, ``blocks_a`` and ``blocks_b`` (products), by the config's init.
    An ablation has fewer: without a set, what it adds is 0 (without both, the sum is 1); a fixed
    relation matrix is a buffer where it is random; a linear head is ``heads`` (T, V, V).

    With ``in_place`` the sites are SAM's own weights, to which the orchestration adds. The
    coefficients start at 0, so that it starts by adding nothing, and a head of width g acts on all
    V/g groups of features (``config.group_width``)::

        h      = z + W_t diag(lm'[t] + coefficients_mc[t]) z            # behind a tuned matrix
        vector = SAM's vector + W_t (lm'[t] + coefficients_mc[t])       # for a tuned vector

    Source: SAM-COBOT (arXiv 2311.17112), section 4; the forms for SAM's own weights are this
    package's, see docs/method.md.

    Args:
        sites: T, number of bottlenecks, or of vectors of length V.
        hidden: V, their width.
        config: the choices there are.
        in_place: whether the sites are SAM's own weights.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        CobotError: if there is no site, N does not divide V, or SAM's own weights would have a
            head but no coefficients.
    """

    coefficients_lm: nn.Parameter
    coefficients_mc: nn.Parameter
    relation_matrix: Tensor

    def __init__(
        self,
        sites: int,
        hidden: int,
        config: OrchestrationConfig | None = None,
        *,
        in_place: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        config = config or OrchestrationConfig()
        config.check_hidden(hidden)
        if sites < 1:
            raise CobotError(
                f"cannot orchestrate {sites} sites: choose a method with bottlenecks in the encoder"
            )
        if in_place and config.coefficients == "none":
            raise CobotError(
                "coefficients: none leaves nothing to add to SAM's own weights: "
                "choose coefficients both, lm or mc with this method"
            )
        super().__init__()
        self.sites, self.hidden, self.config, self.in_place = sites, hidden, config, in_place
        self.width = config.group_width(hidden) if in_place else hidden
        self.forward_cache = ForwardCache(self._make)
        self._counts: list[int] = []  # sites of each vector
        for name, shape in self._shapes().items():
            empty = torch.empty(shape, device=device, dtype=dtype)
            if name == "relation_matrix" and config.relation == "random":
                self.register_buffer(name, empty)
            else:
                self.register_parameter(name, nn.Parameter(empty))
        self.reset_parameters()

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        names = [f"coefficients_{kind}" for kind in COEFFICIENTS[self.config.coefficients]]
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(names, (self.sites, self.hidden))
        if self.config.communicates:
            shapes["relation_matrix"] = (self.sites, self.sites)
        if self.config.head == "linear":
            shapes["heads"] = (self.sites, self.width, self.width)
        side = self.width // COMPONENTS
        return shapes | dict.fromkeys(self._stack_names, (self.sites, COMPONENTS, side, side))

    @property
    def _stack_names(self) -> tuple[str, ...]:
        if self.config.head != "hypercomplex":
            return ()
        return PARAMETRISATIONS[self.config.parametrisation].stacks

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the first values, drawing from torch's global generator."""
        values: dict[str, Tensor] = {}
        if self.config.head == "hypercomplex":
            init = INITS[self.config.init]
            stacks = init(self.config.parametrisation, self.sites, self.width // COMPONENTS)
            values = dict(zip(self._stack_names, stacks, strict=True))
        elif self.config.head == "linear":
            values["heads"] = orthogonal_matrices(self.sites, self.width)
        if self.config.relation == "random":
            values["relation_matrix"] = random_relation(self.sites)
        for name, tensor in (*self.named_parameters(), *self.named_buffers()):
            if name in values:
                tensor.copy_(values[name])
            elif name == "relation_matrix":
                tensor.copy_(torch.eye(self.sites))
            else:
                tensor.fill_(0.0 if self.in_place else 1.0)

    def relation(self) -> Tensor:
        """Relation matrix S, (T, T): learned, random or the identity, as the config says."""
        if self.config.communicates:
            return self.relation_matrix
        tensor = next(iter(self.parameters()))
        return torch.eye(self.sites, device=tensor.device, dtype=tensor.dtype)

    def weight(self, site: int) -> Tensor:
        """Weight ``W_t`` of the site's head, (V, V) as (output, input); (g, g) for groups."""
        return self._weights(site, 1)[0]

    def _weights(self, first: int, count: int) -> Tensor:
        """Heads of ``count`` sites, (count, g, g)."""
        chosen = slice(first, first + count)
        if self.config.head == "hypercomplex":
            stacks = (self.get_parameter(name)[chosen] for name in self._stack_names)
            compose = PARAMETRISATIONS[self.config.parametrisation].compose
            return hypercomplex_weight(compose(*stacks))
        if self.config.head == "linear":
            return self.get_parameter("heads")[chosen]
        like = next(iter(self.parameters()))
        return torch.eye(self.width, device=like.device, dtype=like.dtype).expand(count, -1, -1)

    def communicated(self, first: int = 0, count: int | None = None) -> Tensor:
        """Sets ``lm'`` that sites receive, (count, V); of all sites where no count is given."""
        chosen = slice(first, None if count is None else first + count)
        lm = self.get_parameter("coefficients_lm")
        return self.relation_matrix[chosen] @ lm if self.config.communicates else lm[chosen]

    def coefficients(self, first: int, count: int) -> Tensor:
        """``lm'[t] + mc[t]`` of ``count`` sites, (count, V)."""
        kinds = COEFFICIENTS[self.config.coefficients]
        parts = []
        if "lm" in kinds:
            parts.append(self.communicated(first, count))
        if "mc" in kinds:
            parts.append(self.get_parameter("coefficients_mc")[first : first + count])
        if not parts:
            return next(iter(self.parameters())).new_ones(count, self.hidden)
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def mixing_matrix(self, site: int) -> Tensor:
        """All that the orchestration does at a site: ``W_t diag(lm'[t] + mc[t])``.

        With ``in_place`` the identity is added to it.

        Args:
            site: t, counted from 0.

        Returns:
            (V, V) as (output, input); differentiable.
        """
        coefficients = self.coefficients(site, 1)[0]
        if not self.in_place:
            return self.weight(site) * coefficients
        identity = torch.eye(
            self.hidden // self.width, device=coefficients.device, dtype=coefficients.dtype
        )
        grouped = torch.kron(identity, self.weight(site)) * coefficients
        return grouped + torch.eye(self.hidden, device=grouped.device, dtype=grouped.dtype)

    def displacements(self, first: int, count: int) -> Tensor:
        """What is added to the tuned vectors of ``count`` sites: ``W_t (lm'[t] + mc[t])``.

        Returns:
            (count, V); differentiable.
        """
        if self.forward_cache.made is not None and first in self.forward_cache.made:
            (made,) = self.forward_cache.made[first]
            if len(made) == count:
                return made
        grouped = self._in_groups(self.coefficients(first, count))
        weights = self._weights(first, count).transpose(-2, -1)
        displacements: Tensor = (grouped @ weights).flatten(-2)
        return displacements

    def forward(self, z: Tensor, site: int) -> Tensor:
        """Orchestrate hidden features of one site: (..., V) -> (..., V)."""
        made = self.forward_cache.made
        if not self.in_place:
            (matrix,) = (self.mixing_matrix(site),) if made is None else made[site]
            return F.linear(z, matrix)
        coefficients, weight = (
            (self.coefficients(site, 1)[0], self.weight(site)) if made is None else made[site]
        )
        return z + F.linear(self._in_groups(z * coefficients), weight).flatten(-2)

    def _make(self) -> Made:
        """What :meth:`forward` or :meth:`displacements` reads, for all sites in one product."""
        if self._counts:
            parts = torch.split(self.displacements(0, self.sites), self._counts)
            firsts = accumulate([0, *self._counts[:-1]])
            return {first: (part,) for first, part in zip(firsts, parts, strict=True)}
        coefficients = self.coefficients(0, self.sites)
        weights = self._weights(0, self.sites)
        if not self.in_place:
            return dict(enumerate(zip((weights * coefficients[:, None]).unbind())))
        return dict(enumerate(zip(coefficients.unbind(), weights.unbind(), strict=True)))

    def attach_vectors(self, vectors: Sequence[VectorSeam]) -> None:
        """Let the sites of this orchestrator be what is tuned of the given vectors.

        A vector of k V entries is k sites. It is frozen: its sites' sets are tuned instead, and
        added to it. For the reading of this module's parameters see :meth:`attach`.

        Args:
            vectors: in the order of the sites.

        Raises:
            CobotError: if lengths or their sum do not fit, or one is orchestrated already; then
                nothing has been changed.
        """
        counts = [vector.vector.numel() // self.hidden for vector in vectors]
        if any(vector.vector.numel() % self.hidden for vector in vectors) or (
            sum(counts) != self.sites
        ):
            lengths = sorted({vector.vector.numel() for vector in vectors})
            raise CobotError(
                f"{len(vectors)} vectors of lengths {lengths} are not {self.sites} sites of "
                f"V={self.hidden}: build the orchestrator with their number and a common divisor"
            )
        for vector in vectors:
            if not isinstance(vector.mix, nn.Identity):
                raise CobotError("a vector is orchestrated already: fold it first")
        first = 0
        for vector, count in zip(vectors, counts, strict=True):
            vector.mix = VectorMix(self, first, count).train(vector.mix.training)
            vector.vector.requires_grad_(False)
            first += count
        self._counts = counts

    def _in_groups(self, features: Tensor) -> Tensor:
        return features.reshape(*features.shape[:-1], -1, self.width)

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
