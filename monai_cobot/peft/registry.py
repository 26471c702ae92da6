"""The list of methods: what each is, what it declares of itself, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from monai_cobot.errors import CobotError
from monai_cobot.peft.adaptation import Adaptation
from monai_cobot.registry import Registry


@dataclass(frozen=True)
class Declared:
    """Whether a method has a property; true or false in conditions.

    Attributes:
        holds: whether it has it.
        reason: why not, as half a sentence for the user; empty where it holds.
    """

    holds: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.holds


YES = Declared(True)


def no(reason: str) -> Declared:
    """Declare that a method has not a property, and why."""
    return Declared(False, reason)


@dataclass(frozen=True)
class Method:
    """A way to fine-tune SAM's image encoder.

    What a row declares is tested for every row, both where it says yes and where it says no.

    Attributes:
        name: as the user writes it.
        config: frozen dataclass of its options, all with defaults.
        inject: changes an encoder in place as the config says, and tells what it put there.
            Base parameters lose their gradients, the method's own have them.
        trains_decoder: whether SAM's mask decoder is trained along with it.
        identity_at_start: whether an untrained model gives SAM's output to the bit, with and
            without orchestration.
        follows_base: whether SAM's weights can be loaded after the injection too, untrained.
        mergeable: whether a plain model can be turned into an ordinary SAM.
        orchestratable: whether it has something in every block that can be orchestrated. An
            orchestrated model then folds into a plain one of this method.
        summary: one line for the user.
    """

    name: str
    config: type[Any]
    inject: Callable[[nn.Module, Any], Adaptation]
    trains_decoder: bool
    identity_at_start: Declared
    follows_base: Declared
    mergeable: Declared
    orchestratable: Declared
    summary: str

    @property
    def foldable(self) -> bool:
        """Whether its orchestration can be folded away, exactly: all that there are can."""
        return bool(self.orchestratable)


_METHODS = Registry[Method]("method")
get, names = _METHODS.get, _METHODS.names


def register(method: Method) -> Method:
    """Add a method to the list; CobotError where its name is taken."""
    return _METHODS.register(method.name, method)


def config_from_mapping(name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Make a method's config from a user's options, such as ``{"rank": 8}``.

    Args:
        name: of the method.
        options: values by option; those that are missing keep their defaults.

    Returns:
        An instance of the method's config.

    Raises:
        CobotError: if the method, an option or a value is unknown.
    """
    config, options = get(name).config, options or {}
    known = [field.name for field in fields(config)]
    if unknown := [option for option in options if option not in known]:
        remedy = f"known are {', '.join(known)}" if known else "it has no options"
        raise CobotError(f"unknown option {unknown[0]!r} of method {name}: {remedy}")
    return config(**options)
