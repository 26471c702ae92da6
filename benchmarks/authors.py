"""The image encoder of a checkout, such as that of the method's authors."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from functools import partial
from pathlib import Path

from torch import nn

from monai_cobot.sam import SIZES

FILE = "image_encoder.py"
PACKAGE = "authors_modeling"


def of_checkout(checkout: str, sam: str, side: int) -> nn.Module:
    """Its ``ImageEncoderViT``, built with segment-anything's own arguments.

    The folder of its ``image_encoder.py`` is imported under another name, so that it lives beside
    the installed segment-anything.

    Raises:
        SystemExit: there is no such file, or it takes other arguments.
    """
    file = encoder_file(checkout)
    module = _imported(file.parent)
    size = SIZES[sam]
    try:
        encoder: nn.Module = module.ImageEncoderViT(
            img_size=side, patch_size=size.patch, embed_dim=size.width, depth=size.depth,
            num_heads=size.heads, out_chans=size.decoder_width, mlp_ratio=4, qkv_bias=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-6), use_rel_pos=True,
            window_size=size.window, global_attn_indexes=size.global_blocks,
        )  # fmt: skip
    except TypeError as error:
        raise SystemExit(f"--authors {checkout}: {file} takes other arguments: {error}") from None
    return encoder


def encoder_file(checkout: str) -> Path:
    """The file of a checkout's image encoder, the one nearest to its top.

    Raises:
        SystemExit: there is no such folder, or no such file in it.
    """
    folder = Path(checkout).expanduser()
    if not folder.is_dir():
        raise SystemExit(f"--authors {checkout}: no such folder")
    files = sorted(folder.rglob(FILE), key=lambda file: (len(file.parts), file))
    if not files:
        raise SystemExit(f"--authors {checkout}: no {FILE} in it, give a checkout of their code")
    return files[0]


def _imported(folder: Path) -> object:
    name = f"{PACKAGE}.{FILE.removesuffix('.py')}"
    if PACKAGE not in sys.modules or list(sys.modules[PACKAGE].__path__) != [str(folder)]:
        for known in [key for key in sys.modules if key.split(".")[0] == PACKAGE]:
            del sys.modules[known]
        specification = importlib.machinery.ModuleSpec(PACKAGE, None, is_package=True)
        specification.submodule_search_locations = [str(folder)]
        sys.modules[PACKAGE] = importlib.util.module_from_spec(specification)
    return importlib.import_module(name)
