"""What a user can choose about the orchestration."""

from __future__ import annotations

from dataclasses import dataclass

from monai_cobot.errors import CobotError
from monai_cobot.orchestration.hamilton import COMPONENTS, PARAMETRISATIONS
from monai_cobot.orchestration.initialisation import INITS


@dataclass(frozen=True)
class OrchestrationConfig:
    """Choices of the intra-block enhancement; the inter-block communication has none.

    Attributes:
        parametrisation: ``direct`` (default, the parameter counts of the paper's Table 4),
            ``product`` or ``product_as_printed``: see :mod:`monai_cobot.orchestration.hamilton`.
        init: ``orthogonal`` (default, the paper's) or ``released_code``: see
            :mod:`monai_cobot.orchestration.initialisation`.
        n: components of the hyper-complex numbers; 4, the quaternions, is all there is.

    Raises:
        CobotError: if a value is none of these.
    """

    parametrisation: str = "direct"
    init: str = "orthogonal"
    n: int = COMPONENTS

    def __post_init__(self) -> None:
        if self.parametrisation not in PARAMETRISATIONS:
            raise CobotError(
                f"unknown parametrisation {self.parametrisation!r}: "
                f"choose one of {', '.join(PARAMETRISATIONS)}"
            )
        if self.init not in INITS:
            raise CobotError(f"unknown init {self.init!r}: choose one of {', '.join(INITS)}")
        if self.n != COMPONENTS:
            raise CobotError(
                f"n={self.n!r} is not possible: choose n={COMPONENTS}, the quaternions, "
                "whose product is the Hamilton rule"
            )

    def check_hidden(self, hidden: int) -> None:
        """Check that a V x V weight can be cut into blocks.

        Args:
            hidden: V, width of the bottlenecks.

        Raises:
            CobotError: if N does not divide V.
        """
        if hidden < self.n or hidden % self.n:
            nearest = max(self.n, hidden - hidden % self.n)
            raise CobotError(
                f"V={hidden} is not divisible by N={self.n}: choose a bottleneck width that is a "
                f"multiple of {self.n}, for example {nearest} or {nearest + self.n}"
            )
