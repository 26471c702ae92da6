"""The trained weights as the file that ships: half precision, safetensors, with its recipe."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save

from monai_cobot.errors import CobotError
from monai_cobot.pretraining.training import Pretraining
from monai_cobot.whole_file import whole_file


def export_weights(run: Pretraining, path: str | Path) -> Path:
    """Write the network of a finished run.

    Args:
        run: the run.
        path: a ``.safetensors`` file; the recipe goes into its metadata.

    Returns:
        the path that was written; one that holds these very weights is left as it is.

    Raises:
        CobotError: the run has steps left, a weight does not fit half precision, the path has
            another ending, or other weights are there.
    """
    target = Path(path).expanduser()
    if target.suffix != ".safetensors":
        raise CobotError(f"{target} is no .safetensors file: give a path that ends so")
    if run.step < run.config.steps:
        raise CobotError(
            f"step {run.step} of {run.config.steps}: finish the training before its export"
        )
    state = {
        key: value.detach().cpu().to(torch.float16).contiguous()
        for key, value in run.network.state_dict().items()
    }
    lost = [key for key, value in state.items() if not value.isfinite().all()]
    if lost:
        raise CobotError(
            f"{lost[0]} does not fit half precision: train anew, with a lower lr or more "
            "weight_decay"
        )
    content = save(state, {"recipe": json.dumps(run.config.to_dict(), sort_keys=True)})
    if target.exists():
        if target.read_bytes() != content:
            raise CobotError(f"{target} holds other weights: move it away, or give another path")
        return target
    with whole_file(target) as file:
        file.write_bytes(content)
    return target
