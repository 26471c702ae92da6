"""Features below the first block that is trained, kept on disk from epoch to epoch."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam.adapted import CobotSAM
from monai_cobot.sam.partial import (
    embed_features,
    feature_shape,
    frozen_blocks,
    frozen_features,
)
from monai_cobot.sam.precision import computing, precision_of
from monai_cobot.whole_file import whole_file

FORMAT = 2
"""Raised whenever what is stored changes."""

BYTES = 4
"""Of a number that is stored."""


@dataclass
class FeatureCache:
    """A folder with one file an image: what SAM's frozen blocks make of it.

    The name of a file is a hash of the image's pixels after the preprocessing, the base model's
    weights, its input size, the precision, and the number of blocks: another image or model has
    another file, and several trainings may share a folder, at the same time too. Files are float32,
    which the blocks hand on under bfloat16 too: 12.6 MB an image for ViT-B at 1024, or 4.2 MB where
    nothing in the encoder is trained. They appear whole or not at all.
    A training that has written them itself has the results of one without a cache, to the bit. What
    another device, form of attention or size of batch has written is the same up to rounding.

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
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise CobotError(
                f"feature_cache {self.folder} cannot be written ({error}): choose another, or null"
            ) from error
        self.shape = feature_shape(self.network.sam.image_encoder, self.blocks)
        base = self.network.base.to_dict()
        del base["weights"]  # a file's name; the hash says which weights they are
        facts = [FORMAT, base, self.blocks, precision_of(self.network.sam)]
        self.recipe = json.dumps(facts, sort_keys=True).encode()

    def check_room(self, images: int) -> None:
        """Refuse a folder whose disk is too small for the features of so many images.

        All whole files of the folder are taken to be theirs: what passes may still be too much.

        Raises:
            CobotError: names the folder, what is needed and what is free.
        """
        there = sum(file.stat().st_size for file in self.folder.glob("[!.]*.npy"))
        needed = images * BYTES * math.prod(self.shape) - there
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise CobotError(
                f"feature_cache {self.folder} needs {_megabytes(needed)} more for {images} images "
                f"({self._size()}), and {_megabytes(free)} are free: choose another folder, or null"
            )

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
                    self._write(files[place], features)
            features = torch.stack([self._read(file) for file in files]).to(image.device)
            with self._made_once():
                return embed_features(sam.image_encoder, features, self.blocks)

    def _name(self, pixels: Tensor) -> str:
        digest = hashlib.sha256(self.recipe + str(tuple(pixels.shape)).encode())
        digest.update(np.ascontiguousarray(pixels.cpu().numpy()).tobytes())
        return digest.hexdigest()[:32]

    def _made_once(self) -> AbstractContextManager[Any]:
        """What a forward of the encoder would make once for all sites is made once here too."""
        orchestrator = self.network.orchestrator
        return nullcontext() if orchestrator is None else orchestrator.forward_cache.during()

    def _size(self) -> str:
        return f"{_megabytes(BYTES * math.prod(self.shape))} an image"

    def _write(self, path: Path, features: Tensor) -> None:
        try:
            with whole_file(path) as temporary, temporary.open("wb") as file:
                np.save(file, features.cpu().float().numpy())
        except OSError as error:
            if path.is_file():  # Windows replaces no file that another training reads just now
                return
            raise CobotError(
                f"feature_cache {self.folder} cannot be written ({error}; {self._size()}): make "
                "room, or choose another folder, or null; the same command continues the run"
            ) from error

    def _read(self, path: Path) -> Tensor:
        try:
            with path.open("rb") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
            if array.shape != self.shape or array.dtype != np.float32:
                raise ValueError(
                    f"it holds {array.dtype} of shape {array.shape}, not float32 of {self.shape}"
                )
        except (ValueError, EOFError) as error:
            raise CobotError(f"{path} is damaged ({error}): delete it, it is made again") from error
        return torch.from_numpy(array)


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.1f} MB"
