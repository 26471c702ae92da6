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
from monai_cobot.sam.orchestrate import absorb_orchestration
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
    absorb_orchestration(folded.adaptation, folded.orchestrator)
    folded.orchestrator = None
    folded.orchestration = {}
    return folded


@torch.no_grad()
def merge(model: CobotSAM) -> Sam:
    """A plain SAM with the model's masks: folded first, then multiplied into the encoder's weights.

    Raises:
        CobotError: the method cannot be merged; the message says why.
    """
    declared = peft.get(model.method).mergeable
    if not declared:
        mergeable = [name for name in peft.names() if peft.get(name).mergeable]
        raise CobotError(
            f"method {model.method!r} cannot be merged into SAM's own weights: {declared.reason}; "
            f"{', '.join(mergeable)} can. Keep the adapter file instead"
        )
    folded = fold(model)
    peft.merge(folded.sam.image_encoder)
    return folded.sam


def save_merged(model: CobotSAM, path: str | Path, overwrite: bool = False) -> dict[str, Any]:
    """Writes the merged model as a ``.pth`` with SAM's keys, and ``<path>.json`` that describes it.

    At the base model's own input size the file loads in stock segment-anything; at another one the
    position tables have that size and the manifest's ``loads_in`` says so.

    Returns:
        the manifest.

    Raises:
        CobotError: the method cannot be merged, or the file exists and ``overwrite`` is false.
    """
    target = Path(path)
    described = Path(f"{target}.json")
    for file in (target, described):
        if file.exists() and not overwrite:
            raise CobotError(f"{file} exists: choose another name or allow overwriting")
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
    }
    with whole_file(target) as file:
        torch.save(merged.state_dict(), file)
    with whole_file(described) as file:
        file.write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest
