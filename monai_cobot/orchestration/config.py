"""What a user can choose about the orchestration."""

from __future__ import annotations

from dataclasses import dataclass

from monai_cobot.errors import CobotError
from monai_cobot.orchestration.hamilton import COMPONENTS, PARAMETRISATIONS
from monai_cobot.orchestration.initialisation import INITS

COEFFICIENTS = {"both": ("lm", "mc"), "lm": ("lm",), "mc": ("mc",), "none": ()}
RELATIONS = ("learnable", "random", "identity")
HEADS = ("hypercomplex", "linear", "none")


@dataclass(frozen=True)
class OrchestrationConfig:
    """Choices of the orchestration; the defaults are the method, the others its ablations.

    Attributes:
        parametrisation: of the hyper-complex head: ``direct`` (default, the parameter counts of the
            paper's Table 4), ``product`` or ``product_as_printed``: see
            :mod:`monai_cobot.orchestration.hamilton`.
        init: ``orthogonal`` (default, the paper's) or ``released_code``: see
            :mod:`monai_cobot.orchestration.initialisation`. A linear head starts orthogonal.
        n: components of the hyper-complex numbers; 4, the quaternions, is all there is.
        coefficients: coefficient sets of a site: ``both``, ``lm`` (communicates), ``mc`` (stays
            within its block) or ``none``.
        relation: relation matrix: ``learnable`` (starts as the identity), ``random`` (fixed) or
            ``identity`` (fixed: nothing is communicated).
        head: linear map of the hidden features within a site: ``hypercomplex``, ``linear`` (all
            V x V entries are parameters) or ``none``.
        group: where SAM's own vectors are orchestrated (V = D), a site's head is applied to
            groups of so many features; the greatest multiple of 4 up to it that divides V.

    Raises:
        CobotError: if a value is none of these, or nothing is left to orchestrate.
    """

    parametrisation: str = "direct"
    init: str = "orthogonal"
    n: int = COMPONENTS
    coefficients: str = "both"
    relation: str = "learnable"
    head: str = "hypercomplex"
    group: int = 16

    def __post_init__(self) -> None:
        for name, known in (
            ("parametrisation", PARAMETRISATIONS),
            ("init", INITS),
            ("coefficients", COEFFICIENTS),
            ("relation", RELATIONS),
            ("head", HEADS),
        ):
            if (value := getattr(self, name)) not in known:
                raise CobotError(f"unknown {name} {value!r}: choose one of {', '.join(known)}")
        if self.n != COMPONENTS:
            raise CobotError(
                f"n={self.n!r} is not possible: choose n={COMPONENTS}, the quaternions, "
                "whose product is the Hamilton rule"
            )
        if not isinstance(self.group, int) or self.group < COMPONENTS or self.group % COMPONENTS:
            raise CobotError(f"group={self.group!r}: choose a multiple of {COMPONENTS}")
        if self.coefficients == "none" and self.head == "none":
            raise CobotError(
                "coefficients: none and head: none leave nothing to orchestrate: "
                "set orchestrate: false, or keep one of them"
            )

    @property
    def communicates(self) -> bool:
        """Whether a site receives the sets of others."""
        return "lm" in COEFFICIENTS[self.coefficients] and self.relation != "identity"

    def check_hidden(self, hidden: int) -> None:
        """Check that a V x V weight can be cut into blocks.

        Args:
            hidden: V, width of the bottlenecks.

        Raises:
            CobotError: if N does not divide V.
        """
        if self.head == "hypercomplex" and (hidden < self.n or hidden % self.n):
            nearest = max(self.n, hidden - hidden % self.n)
            raise CobotError(
                f"V={hidden} is not divisible by N={self.n}: choose a bottleneck width that is a "
                f"multiple of {self.n}, for example {nearest} or {nearest + self.n}"
            )

    def group_width(self, hidden: int) -> int:
        """Features of a group of a head that is shared by groups: a divisor of V up to ``group``.

        A multiple of 4 where there is one.
        """
        widths = range(min(self.group, hidden), 0, -1)
        divisors = [width for width in widths if hidden % width == 0]
        return next((width for width in divisors if width % self.n == 0), divisors[0])
