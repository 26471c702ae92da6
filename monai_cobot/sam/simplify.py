"""Fold (orchestrated to plain fine-tuning) and merge (to a plain SAM), both exact."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from segment_anything.modeling import Sam

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.sam.adapted import CobotSAM
from monai_cobot.sam.adapter_file import build_from_adapter, read_manifest
from monai_cobot.sam.orchestrate import absorb_orchestration
from monai_cobot.sam.precision import precision_of, set_precision
from monai_cobot.whole_file import whole_file


@torch.no_grad()
def fold(model: CobotSAM) -> CobotSAM:
    """A copy of the model whose orchestration is multiplied into the adapters.

    Between ``down`` and the nonlinearity everything is linear, so W_t diag(lm'[t] + mc[t]) goes
    into the weight and bias of ``down``. What is added to SAM's own vectors is added to them for
    good. A model without orchestration comes back as a plain copy.
    """
    folded = copy.deepcopy(model)
    if folded.orchestrator is None:
        return folded
    absorb_orchestration(folded.sam.image_encoder, folded.adaptation, folded.orchestrator)
    folded.orchestrator = None
    folded.orchestration = {}
    return folded


@torch.no_grad()
def merge(model: CobotSAM) -> Sam:
    """A plain SAM with the model's masks: folded first, then multiplied into the encoder's weights.

    Raises:
        CobotError: the method cannot be merged, or the base weights were rounded; the message says
            why.
    """
    _require_mergeable(model.method)
    _require_unrounded(model, "cannot be merged into a plain SAM")
    folded = fold(model)
    peft.merge(folded.sam.image_encoder)
    return folded.sam


def for_inference(model: CobotSAM, precision: str = "fp32") -> CobotSAM:
    """A copy of the model that costs what SAM costs, with the same masks up to rounding.

    The orchestration is folded, and where the method allows it everything is merged into SAM's own
    weights. Nothing of it can be trained; learned organ prompts stay.

    Args:
        model: the fine-tuned model.
        precision: see :func:`~monai_cobot.sam.precision.set_precision`.

    Raises:
        CobotError: unknown precision, or ``fp32`` of a model whose base weights were rounded.
    """
    if precision == "fp32":
        _require_unrounded(model, "cannot compute in fp32")
    simple = fold(model)
    if peft.get(model.method).mergeable:
        peft.merge(simple.sam.image_encoder)
    simple.requires_grad_(False)
    set_precision(simple.sam, precision)
    return simple


def save_merged(model: CobotSAM, path: str | Path, overwrite: bool = False) -> dict[str, Any]:
    """Writes the merged model as a ``.pth`` with SAM's keys, and ``<path>.json`` that describes it.

    At the base model's own input size the file loads in stock segment-anything; at another one the
    position tables have that size and the manifest's ``loads_in`` says so. Organ prompts have no
    place in SAM's keys: ``left_out`` names them.

    Returns:
        the manifest.

    Raises:
        CobotError: the method cannot be merged, the base weights were rounded, the path has another
            ending, or the file exists and ``overwrite`` is false.
    """
    target, described = _free_files(path, overwrite)
    merged = merge(model)
    size = model.base.image_size
    manifest = {
        "format": "monai_cobot/merged/1",
        "base": model.base.to_dict(),
        "method": model.method,
        "orchestrated": model.orchestrated,
        "image_size": size,
        "loads_in": f"segment_anything classes of {model.base.sam} built at image_size {size}"
        + (" (the registry's own)" if size == 1024 and model.base.sam != "small" else ""),
        "left_out": left_out(model.prompts),
    }
    with whole_file(target) as file:
        torch.save(merged.state_dict(), file)
    with whole_file(described) as file:
        file.write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


def merge_adapter(
    adapter: str | Path,
    path: str | Path,
    sam_checkpoint: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Merges an adapter file into its base model and writes that; see :func:`save_merged`.

    What can be refused is refused before weights are read.

    Args:
        adapter: the adapter file.
        path: the ``.pth`` to write.
        sam_checkpoint: weights of the base model, needed for the official sizes.
        overwrite: replace files that are there.

    Returns:
        the manifest.

    Raises:
        CobotError: as :func:`save_merged`, :func:`read_manifest` and :func:`build_from_adapter`.
    """
    _require_mergeable(read_manifest(adapter)["method"])
    _free_files(path, overwrite)
    return save_merged(build_from_adapter(adapter, sam_checkpoint), path, overwrite)


def left_out(prompts: str) -> list[str]:
    """What a plain SAM cannot hold of a model with these prompts, a sentence each."""
    if prompts == "box":
        return []
    sentences = ["the learned organ prompts: a plain SAM is prompted with boxes, points and masks"]
    if prompts == "organ":
        sentences.append("training with boxes: the decoder was trained with organ prompts alone")
    return sentences


def _require_mergeable(method: str) -> None:
    declared = peft.get(method).mergeable
    if not declared:
        mergeable = [name for name in peft.names() if peft.get(name).mergeable]
        raise CobotError(
            f"method {method!r} cannot be merged into SAM's own weights: {declared.reason}; "
            f"{', '.join(mergeable)} can. Keep the adapter file instead"
        )


def _require_unrounded(model: CobotSAM, cannot: str) -> None:
    precision = precision_of(model.sam)
    if precision != "fp32":
        raise CobotError(
            f"a model built with precision: {precision} {cannot}: its frozen weights were rounded. "
            "Build it with precision: fp32 and load the adapter file, which is the same"
        )


def _free_files(path: str | Path, overwrite: bool) -> tuple[Path, Path]:
    """The file and its description, after checks of the name and that nothing is lost."""
    target = Path(path).expanduser()
    if target.suffix != ".pth":
        raise CobotError(f"{target} is no .pth file: give a path that ends so")
    described = Path(f"{target}.json")
    for file in (target, described):
        if file.exists() and not overwrite:
            raise CobotError(f"{file} exists: choose another name, or give --overwrite")
    return target, described
