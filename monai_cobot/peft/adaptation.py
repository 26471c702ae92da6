"""What an injection gives back, and the steps that all injections share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from monai_cobot.errors import CobotError
from monai_cobot.peft.bottleneck import Bottleneck, adapted_modules, bottlenecks

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True)
class Adaptation:
    """What a method has put into an encoder.

    Attributes:
        bottlenecks: in the order of the sites; empty for a method without any.
        parameters: names, relative to the encoder, of the method's own parameters. They alone
            are trained in the encoder, and they alone make an adapter checkpoint.
    """

    bottlenecks: tuple[Bottleneck, ...] = ()
    parameters: tuple[str, ...] = ()

    @property
    def sites(self) -> int:
        """T: number of bottlenecks."""
        return len(self.bottlenecks)

    @property
    def hidden(self) -> int:
        """V: width of the bottlenecks, 0 where there are none."""
        return self.bottlenecks[0].down.out_features if self.bottlenecks else 0


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
        path: of the module inside a block, such as ``attn.qkv``.
        kind: class that the module must have.
        adapt: makes the adapted module, sharing the given one's parameters; it will be in
            training or evaluation mode as that was.

    Raises:
        CobotError: if the encoder is adapted already, or has no such modules; then nothing has
            been changed.
    """
    _refuse_adapted(encoder)
    originals = _modules_of_blocks(encoder, path, kind)
    adapted = {name: adapt(old).train(old.training) for name, old in originals.items()}
    freeze_base(encoder)
    base = {name for name, _ in encoder.named_parameters()}
    for name, module in adapted.items():
        encoder.set_submodule(name, module)
    own = tuple(name for name, _ in encoder.named_parameters() if name not in base)
    return Adaptation(bottlenecks(encoder), own)


def _refuse_adapted(encoder: nn.Module) -> None:
    if adapted := adapted_modules(encoder):
        raise CobotError(
            f"the encoder is adapted already (at {next(iter(adapted))}): "
            "inject into a newly built encoder"
        )


def _modules_of_blocks(encoder: nn.Module, path: str, kind: type[_Module]) -> dict[str, _Module]:
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
        found[f"blocks.{index}.{path}"] = module
    return found
