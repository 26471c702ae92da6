"""Features below the first block that is trained, kept on disk from epoch to epoch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam.adapted import CobotSAM
from monai_cobot.sam.partial import embed_features, frozen_blocks, frozen_features
from monai_cobot.sam.precision import computing, precision_of
from monai_cobot.whole_file import whole_file

FORMAT = 1
"""Raised whenever what is stored changes."""


@dataclass
class FeatureCache:
    """A folder with one file an image: what SAM's frozen blocks make of it.

    The name of a file is a hash of the image's pixels after the preprocessing, the base model's
    weights, its input size, the precision, and the number of blocks: another image or model has
    another file, and several trainings may share a folder. Files are float32 (bfloat16 where the
    network computes in it), of 12.6 MB an image for ViT-B at 1024, or 4.2 MB where nothing in the
    encoder is trained. They appear whole or not at all.

    Args:
        folder: made where it does not exist.
        network: its encoder has to have blocks that are not trained.

    Raises:
        CobotError: the first block is trained already, or the folder cannot be written.
    """

    folder: Path
    network: CobotSAM

    def __post_init__(self) -> None:
        self.blocks = frozen_blocks(
            self.network.sam.image_encoder, self.network.adaptation, self.network.last_blocks
        )
        if not self.blocks:
            raise CobotError(
                f"feature_cache: method {self.network.method!r} trains the first block, nothing "
                "stays the same from epoch to epoch: set last_blocks, or feature_cache: null"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CobotError(
                f"feature_cache {self.folder} cannot be written ({error}): choose another, or null"
            ) from error
        base = self.network.base.to_dict()
        del base["weights"]  # a file's name; the hash says which weights they are
        facts = [FORMAT, base, self.blocks, precision_of(self.network.sam)]
        self.recipe = json.dumps(facts, sort_keys=True).encode()

    def embeddings(self, image: Tensor, pixels: Sequence[Tensor]) -> Tensor:
        """The image embeddings (B, C, h, w), from the disk as far as they are there.

        Args:
            image: (B, 3, S, S), normalised and padded.
            pixels: for each image what it was made from, (1 or 3, H, W) uint8.
        """
        sam = self.network.sam
        files = [self.folder / f"{self._name(each)}.npy" for each in pixels]
        lacking = [place for place, file in enumerate(files) if not file.is_file()]
        with computing(sam, image.device):
            if lacking:
                made = frozen_features(sam.image_encoder, image[lacking], self.blocks)
                for place, features in zip(lacking, made, strict=True):
                    _write(files[place], features)
            features = torch.stack([_read(file) for file in files]).to(image.device)
            return embed_features(sam.image_encoder, features, self.blocks)

    def _name(self, pixels: Tensor) -> str:
        digest = hashlib.sha256(self.recipe + str(tuple(pixels.shape)).encode())
        digest.update(np.ascontiguousarray(pixels.cpu().numpy()).tobytes())
        return digest.hexdigest()[:32]


def _write(path: Path, features: Tensor) -> None:
    """NumPy has no bfloat16: its bits are written as whole numbers of 16 bits."""
    kept = features.detach().cpu().contiguous()
    array = kept.view(torch.int16) if kept.dtype == torch.bfloat16 else kept
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, array.numpy())


def _read(path: Path) -> Tensor:
    try:
        array = torch.from_numpy(np.load(path, allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise CobotError(f"{path} is damaged ({error}): delete it, it is made again") from error
    return array.view(torch.bfloat16) if array.dtype == torch.int16 else array
