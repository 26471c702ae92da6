"""SAM in the words of Hugging Face's transformers: the names of its weights, and its numbers.

Both libraries compute the same from the same tensors, so that weights are renamed and nothing else.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from segment_anything.modeling import Sam
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam import SAMSize

INSTALL = "python -m pip install 'peft>=0.20' 'transformers>=4.57'"
"""The extra ``export`` of pyproject.toml."""

# Patterns of segment-anything's keys and what takes their place, in this order. Layers of a
# Sequential have numbers there and names here.
RENAMED = (
    (r"^image_encoder\.", "vision_encoder."),
    (r"^vision_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^vision_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"^vision_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^vision_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^vision_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^vision_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
    (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.norm([1-4])\.", r".layer_norm\1."),
)
# Perceptrons have a list of layers there; here the first and the last have names of their own.
PERCEPTRON = re.compile(
    r"^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))\.layers\.(\d+)\."
)
FREQUENCIES = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
# Those of boxes and points, and those of the image: one table there, two tied ones here.
FREQUENCIES_HERE = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """SAM's state dict, or a part of it, with the keys of transformers' ``SamModel``.

    Args:
        state: with segment-anything's keys. The perceptrons of the decoder are taken whole.

    Returns:
        the same tensors; the frequencies of the position encoding twice.
    """
    last: dict[str, int] = {}
    for key in state:
        if found := PERCEPTRON.match(key):
            last[found[1]] = max(last.get(found[1], 0), int(found[2]))
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        for name in FREQUENCIES_HERE if key == FREQUENCIES else (_rename(key, last),):
            renamed[name] = value
    return renamed


def _rename(key: str, last: Mapping[str, int]) -> str:
    if found := PERCEPTRON.match(key):
        name, layer = found[1], int(found[2])
        place = {0: "proj_in", last[name]: "proj_out"}.get(layer, f"layers.{layer - 1}")
        return f"{name}.{place}.{key[found.end() :]}"
    for pattern, replacement in RENAMED:
        key = re.sub(pattern, replacement, key)
    return key


def sam_config(size: SAMSize, image_size: int | None = None) -> dict[str, dict[str, Any]]:
    """Arguments of transformers' ``SamConfig`` for a SAM of that size.

    Args:
        size: the numbers of the encoder and decoder.
        image_size: side of the square input in pixels; default ``size.image_size``.
    """
    if image_size is not None:
        size = replace(size, image_size=image_size)
    images = {"image_size": size.image_size, "patch_size": size.patch}
    return {
        "vision_config": {
            **images,
            "hidden_size": size.width,
            "output_channels": size.decoder_width,
            "num_hidden_layers": size.depth,
            "num_attention_heads": size.heads,
            "window_size": size.window,
            "global_attn_indexes": list(size.global_blocks),
            "num_pos_feats": size.decoder_width // 2,
        },
        "prompt_encoder_config": {**images, "hidden_size": size.decoder_width},
        "mask_decoder_config": {
            "hidden_size": size.decoder_width,
            "mlp_dim": size.decoder_mlp,
            "iou_head_hidden_dim": size.decoder_width,
            # segment-anything's decoder has PyTorch's default, transformers' default is 1e-6.
            "layer_norm_eps": 1e-5,
        },
    }


def save_base(sam: Sam, size: SAMSize, folder: Path) -> None:
    """Writes a SAM as ``SamModel.from_pretrained`` and ``SamProcessor.from_pretrained`` read it.

    Args:
        sam: the network, not adapted.
        size: its numbers but for the side of the input, which is the network's own.
        folder: where to.

    Raises:
        CobotError: transformers is not installed, or has other weights than are known here.
    """
    transformers = require_transformers()
    side = sam.image_encoder.img_size
    model = transformers.SamModel(transformers.SamConfig(**sam_config(size, side)))
    try:
        model.load_state_dict(to_transformers(sam.state_dict()), strict=True)
    except RuntimeError as error:
        raise CobotError(
            f"transformers {transformers.__version__} names SAM's weights in another way "
            f"({str(error).splitlines()[-1].strip()}): install the version of constraints.txt"
        ) from error
    model.save_pretrained(folder)
    square = {"height": side, "width": side}
    images = transformers.SamImageProcessor(size={"longest_edge": side}, pad_size=square)
    transformers.SamProcessor(images).save_pretrained(folder)


def require_transformers() -> Any:
    """The library; CobotError with the command that installs it where it is missing."""
    return _require("transformers")


def require_peft() -> Any:
    """The library; CobotError with the command that installs it where it is missing."""
    return _require("peft")


def _require(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise CobotError(f"the export needs {name} ({error}): {INSTALL}") from error
