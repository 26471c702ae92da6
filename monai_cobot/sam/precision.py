"""The numbers that SAM computes with: float32, or bfloat16 where that is safe."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from segment_anything.modeling import Sam
from torch import nn

from monai_cobot.errors import CobotError

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}
_ATTRIBUTE = "autocast_dtype"


def set_precision(sam: Sam, precision: str) -> None:
    """Let encoder and mask decoder compute in another precision, in place.

    ``bf16`` is PyTorch's autocast: products in bfloat16, norms, softmax, sums of the residual
    stream and the loss in float32; what is trained stays float32. The weights of the encoder's
    frozen linear layers and convolutions are stored in bfloat16, once and for all: they are half
    as large, and are not cast anew at each step. The prompt encoder stays float32: in bfloat16
    the position of a box would be off by half a pixel at 256.

    Args:
        sam: the network, after a method has said what is trained.
        precision: ``fp32`` leaves everything as it is, or ``bf16``.

    Raises:
        CobotError: another precision.
    """
    if precision not in PRECISIONS:
        raise CobotError(f"precision={precision!r}: choose one of {', '.join(PRECISIONS)}")
    dtype = PRECISIONS[precision]
    if dtype is None:
        return
    setattr(sam, _ATTRIBUTE, dtype)
    for module in sam.image_encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            for parameter in module.parameters(recurse=False):
                if not parameter.requires_grad:
                    parameter.data = parameter.data.to(dtype)


def precision_of(sam: Sam) -> str:
    """``fp32`` or ``bf16``."""
    dtype = getattr(sam, _ATTRIBUTE, None)
    return next(name for name, known in PRECISIONS.items() if known == dtype)


def check_device(sam: Sam, device: torch.device | str) -> None:
    """Refuse bfloat16 where a GPU only emulates it.

    Before NVIDIA's Ampere products are converted one by one, and attention has no kernel that
    spares the matrix of scores: it would be slower than float32 and need more memory.

    Raises:
        CobotError: such a GPU, and a network in ``bf16``.
    """
    device = torch.device(device)
    if precision_of(sam) != "bf16" or device.type != "cuda":
        return
    with torch.cuda.device(device):
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    if not supported:
        raise CobotError(
            f"{torch.cuda.get_device_name(device)} does not compute in bfloat16: set precision: "
            "fp32 (of memory: 8gb the other parts stay)"
        )


def computing(sam: Sam, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which the network computes on a device."""
    dtype = getattr(sam, _ATTRIBUTE, None)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)
