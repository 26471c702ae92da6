"""What an injection gives back, and the steps that all injections share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from torch import nn

from monai_cobot.errors import CobotError
from monai_cobot.peft.bottleneck import (
    Bottleneck,
    adapted_modules,
    bottlenecks,
    tuned_vectors,
)
from monai_cobot.peft.vector import TunedVector

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True)
class Adaptation:
    """What a method has put into an encoder.

    Attributes:
        bottlenecks: in the order of the sites; empty for a method without any.
        vectors: tuned vectors, in the order of the sites; empty for a method without any.
        in_place: whether bottlenecks or vectors start as SAM's own values, and are thus to be
            left as they are at the start, rather than followed by something that starts at zero.
        parameters: names, relative to the encoder, of the method's own parameters. They alone
            are trained in the encoder, and they alone make an adapter checkpoint.
        undecayed: those of them that start at SAM's own values, or at 1 to leave SAM as it is.
            Weight decay, which draws to 0, would take the model away from SAM.
    """

    bottlenecks: tuple[Bottleneck, ...] = ()
    parameters: tuple[str, ...] = ()
    vectors: tuple[TunedVector, ...] = ()
    in_place: bool = False
    undecayed: tuple[str, ...] = ()

    @property
    def sites(self) -> int:
        """T: number of bottlenecks, or of pieces of length V of the tuned vectors."""
        pieces = (vector.length // self.hidden for vector in self.vectors)
        return len(self.bottlenecks) + sum(pieces)

    @property
    def hidden(self) -> int:
        """V: width of the bottlenecks or length that divides all tuned vectors; 0 without any."""
        if self.bottlenecks:
            return self.bottlenecks[0].down.out_features
        return math.gcd(*(vector.length for vector in self.vectors))


def freeze_base(encoder: nn.Module) -> None:
    """Switch off the gradients of all parameters, before a method adds its own.

    Raises:
        CobotError: if the encoder is adapted already.
    """
    _refuse_adapted(encoder)
    encoder.requires_grad_(False)


def replace_in_blocks(
    encoder: nn.Module, path: str, kind: type[_Module], adapt: Callable[[_Module], nn.Module]
) -> Adaptation:
    """Freeze the encoder, then put an adapted module in the place of one module a block.

    Args:
        encoder: SAM's image encoder, or any module with ``blocks``; changed in place.
        path: of the module inside a block, such as ``attn.qkv``; empty for the block itself.
        kind: class that the module must have.
        adapt: makes the adapted module, sharing the given one's parameters; it will be in
            training or evaluation mode as that was.

    Raises:
        CobotError: if the encoder is adapted already, or has no such modules; then nothing has
            been changed.
    """
    return replace_all(encoder, find_in_blocks(encoder, path, kind), adapt)


def replace_all(
    encoder: nn.Module, originals: Mapping[str, _Module], adapt: Callable[[_Module], nn.Module]
) -> Adaptation:
    """Freeze the encoder, then put an adapted module in the place of each of the given ones.

    Args:
        encoder: SAM's image encoder, changed in place.
        originals: modules of the encoder by name, in its order.
        adapt: as in :func:`replace_in_blocks`.

    Raises:
        CobotError: if the encoder is adapted already; then nothing has been changed.
    """
    _refuse_adapted(encoder)
    adapted = {name: adapt(old).train(old.training) for name, old in originals.items()}
    freeze_base(encoder)
    base = {name for name, _ in encoder.named_parameters()}
    for name, module in adapted.items():
        encoder.set_submodule(name, module)
    own = tuple(name for name, _ in encoder.named_parameters() if name not in base)
    return Adaptation(bottlenecks(encoder), own, tuned_vectors(encoder))


def tune_in_place(
    encoder: nn.Module, adaptation: Adaptation, wanted: Callable[[str], bool]
) -> Adaptation:
    """Give SAM's own parameters of the wanted names their gradients back.

    Args:
        encoder: changed in place.
        adaptation: of this encoder, without parameters so far.
        wanted: tells of a name, relative to the encoder, whether it is to be trained.

    Returns:
        The adaptation with these parameters.
    """
    names = tuple(name for name, _ in encoder.named_parameters() if wanted(name))
    for name in names:
        encoder.get_parameter(name).requires_grad_(True)
    return replace(adaptation, parameters=names, in_place=True, undecayed=names)


def _refuse_adapted(encoder: nn.Module) -> None:
    if adapted := adapted_modules(encoder):
        raise CobotError(
            f"the encoder is adapted already (at {next(iter(adapted))}): "
            "inject into a newly built encoder"
        )


def find_in_blocks(encoder: nn.Module, path: str, kind: type[_Module]) -> dict[str, _Module]:
    """Find one module a block by its path inside the block.

    Returns:
        Modules by their names in the encoder, in the order of its blocks.

    Raises:
        CobotError: if the encoder is adapted already, or a block has no such module.
    """
    _refuse_adapted(encoder)
    blocks = getattr(encoder, "blocks", None)
    if not isinstance(blocks, nn.ModuleList) or not len(blocks):
        raise CobotError(
            f"{type(encoder).__name__} has no list of transformer blocks named 'blocks': "
            "give SAM's image encoder (sam.image_encoder)"
        )
    found: dict[str, _Module] = {}
    for index, block in enumerate(blocks):
        try:
            module = block.get_submodule(path)
        except AttributeError:
            module = None
        if not isinstance(module, kind):
            raise CobotError(
                f"blocks.{index} has no {kind.__name__} named '{path}': "
                "give SAM's image encoder (sam.image_encoder)"
            )
        found[f"blocks.{index}.{path}".removesuffix(".")] = module
    return found
