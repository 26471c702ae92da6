"""A LoRA of this package as one that Hugging Face's peft loads into transformers' ``SamModel``.

SAM projects to q, k and v at once, and peft adapts that projection as a whole. Two updates of rank
r, of q and of v, are one of rank 2r::

        | A_q |                   | s B_q    0   |
    A = |     |  (2r, D),     B = |   0      0   |  (3 D', 2r),    alpha = 2r
        | A_v |                   |   0    s B_v |

with s = alpha / r of our own; the rows of B that belong to k are zero.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.export.transformers_sam import (
    require_peft,
    require_transformers,
    save_base,
    to_transformers,
)
from monai_cobot.sam import (
    CobotSAM,
    build_from_adapter,
    fold,
    get_size,
    left_out,
    load_base,
    read_manifest,
)

FORMAT = "monai_cobot/peft/1"
PREFIX = "base_model.model."
DECODER = "mask_decoder"
BASE = "base"
# What the training told of its images, which a user of the export has to know.
TOLD = ("preprocessing", "organs")


def export_peft(
    adapter: str | Path,
    folder: str | Path,
    sam_checkpoint: str | Path | None = None,
    with_base: bool = False,
) -> dict[str, Any]:
    """Writes a LoRA, folded if it is orchestrated, and the trained mask decoder for peft.

    ``folder`` gets ``adapter_config.json``, ``adapter_model.safetensors`` and ``manifest.json``,
    and with ``with_base`` SAM itself in ``base``. It appears whole or not at all. What can be
    refused is refused before weights are read.

    Args:
        adapter: the adapter file of a training with method ``lora``.
        folder: to write, new or empty.
        sam_checkpoint: weights of the base model, needed for the official sizes.
        with_base: write the base model for ``SamModel.from_pretrained`` too.

    Returns:
        the manifest.

    Raises:
        CobotError: no adapter file, another method, a folder that is not empty, a library that is
            missing, or as :func:`build_from_adapter`.
    """
    described = read_manifest(adapter)
    target = Path(folder).expanduser().absolute()
    _check(described["method"], target)
    model = build_from_adapter(adapter, sam_checkpoint)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "base": model.base.to_dict(),
        "method": model.method,
        "orchestrated": model.orchestrated,
        "image_size": model.base.image_size,
        "left_out": left_out(model.prompts),
    }
    manifest |= {key: described[key] for key in TOLD if key in described}
    with _whole_folder(target) as unfinished:
        _save_lora(fold(model), unfinished)
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        if with_base:
            _save_base(model, sam_checkpoint, unfinished / BASE)
    return manifest


@torch.no_grad()
def lora_tensors(model: CobotSAM) -> dict[str, Tensor]:
    """The updates and the mask decoder with the keys of ``adapter_model.safetensors``.

    Args:
        model: a LoRA without orchestration.
    """
    tensors: dict[str, Tensor] = {}
    for index, block in enumerate(model.sam.image_encoder.blocks):
        qkv = block.attn.qkv
        q, v = qkv.lora_q, qkv.lora_v
        key = f"{PREFIX}vision_encoder.layers.{index}.attn.qkv"
        tensors[f"{key}.lora_A.weight"] = torch.cat((q.down.weight, v.down.weight))
        tensors[f"{key}.lora_B.weight"] = joint_up(q.scale * q.up.weight, v.scale * v.up.weight)
    decoder = model.sam.mask_decoder.state_dict(prefix=f"{DECODER}.")
    tensors |= {f"{PREFIX}{key}": value for key, value in to_transformers(decoder).items()}
    return {key: value.detach().cpu().contiguous() for key, value in tensors.items()}


def joint_up(query: Tensor, value: Tensor) -> Tensor:
    """B of the joint projection (3 D', 2r) from those of q and v (D', r); zero for k."""
    width, rank = query.shape
    joint = query.new_zeros(3 * width, 2 * rank)
    joint[:width, :rank] = query
    joint[2 * width :, rank:] = value
    return joint


def _save_lora(model: CobotSAM, folder: Path) -> None:
    rank = 2 * int(model.options["rank"])
    config = require_peft().LoraConfig(
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        target_modules=["qkv"],
        modules_to_save=[DECODER],
        inference_mode=True,
    )
    config.save_pretrained(str(folder))
    save_file(lora_tensors(model), folder / "adapter_model.safetensors", {"format": "pt"})


def _save_base(model: CobotSAM, sam_checkpoint: str | Path | None, folder: Path) -> None:
    """SAM as it was before the training; the model has another decoder."""
    base = model.base
    chosen = "random" if base.weights == "random" else sam_checkpoint
    sam, _ = load_base(base.sam, chosen, base.image_size)
    save_base(sam, get_size(base.sam), folder)


def _check(method: str, target: Path) -> None:
    if method != "lora":
        remedy = "keep the adapter file"
        if peft.get(method).mergeable:
            remedy = "`monai-cobot merge` writes it as a SAM checkpoint"
        raise CobotError(
            f"method {method!r} is no LoRA, which is what export-peft writes for peft: {remedy}"
        )
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise CobotError(f"{target} exists and is not an empty folder: choose another name")
    require_transformers()
    require_peft()


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """Give a folder beside the target, and rename it to the target if the block succeeds."""
    unfinished = target.with_name(f".unfinished.{target.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        unfinished.replace(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
