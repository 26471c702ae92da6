"""Slices of volumes on disk, memory-mapped: read once from the volume, then by any process."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from monai_cobot.data.fingerprint import hash_cases
from monai_cobot.errors import CobotError
from monai_cobot.transforms.slicing import volume_to_slices
from monai_cobot.whole_file import whole_file

FORMAT = 1
"""Raised whenever what is stored changes."""

Item = Mapping[str, Any]
Read = Callable[[Item], Mapping[str, Any]]


@dataclass(frozen=True)
class SliceCache:
    """A folder of volumes as stacks of slices, each under the hash of what it was made from.

    Of a volume there are ``<hash>_image.npy`` and ``<hash>_label.npy``, (Z, 1, H, W) uint8, slice
    frame, at the volume's own size. The hash is over the bytes of image and label, how labels are
    numbered, and ``recipe``: what is made otherwise has another name, so that nothing stale is
    ever read, and any number of trainings may share a folder. Files appear whole or not at all,
    under a lock: of processes that start together one writes a volume and the others wait for it.

    Args:
        folder: made where it does not exist.
        recipe: all that decides how a volume is read, such as the preprocessing; JSON.
        workers: processes that read volumes at the same time; 0 reads in this one.
    """

    folder: Path
    recipe: Mapping[str, Any]
    workers: int = 0

    def stacks(
        self, items: Sequence[Item], read: Read, progress: bool = False
    ) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Image and label of each item, memory-mapped; those that are lacking are made first.

        Args:
            items: with ``image`` and ``label``.
            read: item to ``image`` and ``label`` (1, X, Y, Z) uint8, voxel frame. It has to be
                picklable where there are workers.
            progress: show a bar.

        Raises:
            CobotError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            make = partial(_make, self.folder, dict(self.recipe), read)
            names = list(
                tqdm(
                    self._run(make, items),
                    total=len(items),
                    desc="slice cache",
                    unit="volume",
                    disable=not progress,
                )
            )
        except OSError as error:
            raise CobotError(
                f"cache_dir {self.folder} cannot be written ({error}): choose another, or null"
            ) from error
        return [
            (_mapped(self.folder, name, "image"), _mapped(self.folder, name, "label"))
            for name in names
        ]

    def _run(self, make: Callable[[Item], str], items: Sequence[Item]) -> Any:
        if not self.workers:
            yield from map(make, items)
            return
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(make, items)


def _make(folder: Path, recipe: dict[str, Any], read: Read, item: Item) -> str:
    """The name of an item's files, which are there afterwards."""
    case = {"case": "", "patient": "", **{key: item[key] for key in _COUNTED if key in item}}
    content = json.dumps([FORMAT, recipe, hash_cases([case])], sort_keys=True)
    name = hashlib.sha256(content.encode()).hexdigest()[:32]
    if _complete(folder, name):
        return name
    with FileLock(folder / f"{name}.lock"):
        if not _complete(folder, name):  # another process may have made it meanwhile
            volume = read(item)
            for key in ("image", "label"):
                stack = volume_to_slices(volume[key]).contiguous()
                if stack.dtype != torch.uint8:
                    raise CobotError(f"{item[key]} is read as {stack.dtype}, not as bytes")
                with (
                    whole_file(_file(folder, name, key)) as temporary,
                    temporary.open("wb") as file,
                ):
                    np.save(file, stack.numpy())
    return name


def _write(path: Path, stack: NDArray[np.uint8]) -> None:
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, stack)


_COUNTED = ("image", "label", "label_values")


def _complete(folder: Path, name: str) -> bool:
    return all(_file(folder, name, key).is_file() for key in ("image", "label"))


def _file(folder: Path, name: str, key: str) -> Path:
    return folder / f"{name}_{key}.npy"


def _mapped(folder: Path, name: str, key: str) -> NDArray[np.uint8]:
    file = _file(folder, name, key)
    try:
        found: NDArray[np.uint8] = np.load(file, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise CobotError(f"{file} is damaged ({error}): delete it, it is made again") from error
    os.utime(file)  # so that what nobody uses can be told by its date
    return found
