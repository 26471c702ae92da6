"""The base model: SAM with its weights, and an identity that its adapters are bound to."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from segment_anything.modeling import Sam
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam.build import build_architecture, build_random
from monai_cobot.sam.encoder import speed_up
from monai_cobot.sam.fetch import default_folder
from monai_cobot.sam.positions import interpolate_positions, is_position_table
from monai_cobot.sam.shipped import SHIPPED, load_shipped
from monai_cobot.sam.sizes import SIZES, SAMSize, get_size

RANDOM = "random"
RANDOM_SEED = 20240617


@dataclass(frozen=True)
class BaseModel:
    """Which SAM it is: size, side of the input (pixels), where its weights are from, their hash."""

    sam: str
    image_size: int
    weights: str
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary for manifests."""
        return asdict(self)


def hash_weights(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over key, shape, dtype and bytes of every tensor, in the order of the keys."""
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f"{key}|{tuple(value.shape)}|{value.dtype}|".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_base(
    sam: str = "small",
    sam_checkpoint: str | Path | None = None,
    image_size: int | None = None,
    attention: str = "auto",
    checkpoint_blocks: bool = False,
) -> tuple[Sam, BaseModel]:
    """SAM with weights at the wanted input size, and its identity.

    The hash is taken over the weights as they are stored, before position tables are interpolated,
    so that one base model has one identity at every input size.

    Args:
        sam: ``vit_b``, ``vit_l``, ``vit_h`` or ``small``.
        sam_checkpoint: a ``.pth`` as Meta distributes it, a ``.safetensors`` with the same keys, or
            ``random`` for seeded random weights. ``small`` needs none: it has shipped weights.
        image_size: side of the square input in pixels; default 1024, 256 for ``small``.
        attention: how the image encoder computes; see :func:`speed_up`.
        checkpoint_blocks: whether it keeps its blocks' inputs alone for backward; likewise.

    Raises:
        CobotError: unknown size or attention, an official size without weights, a file that is
            missing, is no checkpoint, belongs to another size, or is not the one that was shipped.
    """
    size = get_size(sam)
    side = size.image_size if image_size is None else image_size
    if not sam_checkpoint and size.official:
        raise CobotError(_missing_checkpoint(sam))
    network = build_architecture(size, side)
    speed_up(network.image_encoder, attention, checkpoint_blocks)
    if str(sam_checkpoint) == RANDOM or not (sam_checkpoint or sam in SHIPPED):
        weights, state = RANDOM, build_random(size, RANDOM_SEED).state_dict()
    elif not sam_checkpoint:
        weights, state = SHIPPED[sam].file, load_shipped(sam)
    else:
        file = Path(sam_checkpoint).expanduser()
        weights, state = file.name, read_checkpoint(file)
    identity = BaseModel(sam, side, weights, hash_weights(state))
    load_weights(network, state, size, weights)
    return network, identity


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Tensors of a ``.pth`` or ``.safetensors`` file; CobotError where it is neither."""
    if not path.is_file():
        raise CobotError(
            f"no SAM checkpoint at {path}: give the path of a file, or download one with "
            "`monai-cobot fetch-sam vit_b`"
        )
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        SafetensorError,
    ) as error:
        raise CobotError(
            f"{path} is not a checkpoint that can be read ({type(error).__name__}): download it "
            "again with `monai-cobot fetch-sam`, or give another sam_checkpoint"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CobotError(
            f"{path} holds no plain dictionary of tensors: a SAM checkpoint as Meta distributes it "
            "is expected"
        )
    return state


def load_weights(network: Sam, state: Mapping[str, Tensor], size: SAMSize, source: str) -> None:
    """Loads a state dict into SAM, position tables interpolated; CobotError says what differs."""
    target = network.state_dict()
    missing, unexpected = sorted(set(target) - set(state)), sorted(set(state) - set(target))
    state = interpolate_positions(state, target)
    shapes = [key for key in target if key in state and state[key].shape != target[key].shape]
    if missing or unexpected or shapes:
        found = _recognise(state)
        remedy = "give a checkpoint of that size"
        if found and found != size.name:
            remedy = f"it looks like {found}: set sam: {found}"
        details = [
            f"{len(keys)} keys {what}, as {keys[0]}"
            for what, keys in (
                ("missing", missing),
                ("not known", unexpected),
                ("of another shape", shapes),
            )
            if keys
        ]
        raise CobotError(
            f"checkpoint {source} does not fit sam: {size.name} ({', '.join(details)}); {remedy}"
        )
    network.load_state_dict(dict(state))


def _recognise(state: Mapping[str, Tensor]) -> str | None:
    """Name of the size whose encoder these weights have."""
    patches = state.get("image_encoder.patch_embed.proj.weight")
    if patches is None:
        return None
    depth = len({key.split(".")[2] for key in state if key.startswith("image_encoder.blocks.")})
    for size in SIZES.values():
        if (size.width, size.depth) == (patches.shape[0], depth):
            return size.name
    return None


def _missing_checkpoint(sam: str) -> str:
    return (
        f"sam: {sam} needs weights: download them with `monai-cobot fetch-sam {sam}` (they go to "
        f"{default_folder()}) and give the file as sam_checkpoint, or set sam_checkpoint: random "
        "for untrained weights"
    )


__all__ = [
    "BaseModel",
    "hash_weights",
    "is_position_table",
    "load_base",
    "load_weights",
    "read_checkpoint",
]
