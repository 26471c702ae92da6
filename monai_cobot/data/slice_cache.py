"""Slices of volumes on disk: read once from the volume, then one by one by any process."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from monai.data import MetaTensor
from tqdm import tqdm

from monai_cobot.data.known_files import content_name, known_name
from monai_cobot.data.stored_stack import StoredStack
from monai_cobot.errors import CobotError
from monai_cobot.transforms.prompts import SlicePrompts, prompts_from_label
from monai_cobot.transforms.slicing import slices_to_volume, volume_to_slices
from monai_cobot.whole_file import whole_file

LOGGER = logging.getLogger(__name__)

FORMAT = 4
"""Raised whenever what is stored changes."""

KEYS = ("image", "label")

Item = Mapping[str, Any]
Read = Callable[[Item], Mapping[str, Any]]


@dataclass(frozen=True)
class Stacks:
    """A volume's slices, and what is known of them.

    Args:
        image: (Z, 1, H, W) uint8, slice frame.
        label: (Z, 1, H, W) uint8.
        prompts: boxes (P, 4) XYXY, slice frame, and organs (P,) of the slices with a target.
        affines: of image and label, (2, 4, 4) each, to RAS mm: of the voxel frame, of the file.
    """

    image: StoredStack
    label: StoredStack
    prompts: SlicePrompts
    affines: tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class SliceCache:
    """A folder of volumes as stacks of slices, each under the hash of what it was made from.

    Of a volume there are ``<hash>_image.npy`` and ``<hash>_label.npy``, (Z, 1, H, W) uint8, slice
    frame, at the volume's own size, and ``<hash>.json`` with their shapes and affines and the
    label's tight boxes, which is written last: without it the volume is made again. The hash is
    over the bytes of image and label, how labels are numbered, and ``recipe``: what is made
    otherwise has another name, so that nothing stale is ever read, and any number of trainings may
    share a folder. Files appear whole or not at all, under a lock: of processes that start together
    one writes a volume and the others wait for it. A complete folder may be read-only.

    Args:
        folder: made where it does not exist.
        recipe: all that decides how a volume is read, such as the preprocessing; JSON.
        workers: processes that read volumes at the same time; 0 reads in this one.
    """

    folder: Path
    recipe: Mapping[str, Any]
    workers: int = 0

    def stacks(self, items: Sequence[Item], read: Read, progress: bool = False) -> list[Stacks]:
        """The slices of each item; those that are lacking are made first.

        Args:
            items: with ``image`` and ``label``.
            read: item to ``image`` and ``label``, MetaTensors (1, X, Y, Z) uint8, voxel frame. It
                has to be picklable where there are workers.
            progress: show a bar.

        Raises:
            CobotError: the folder cannot be written where something is lacking, an image or label
                cannot be read, or a worker was ended from outside.
        """
        make = partial(_make, self.folder, dict(self.recipe), read)
        names = tqdm(
            self._run(make, items),
            total=len(items),
            desc="slice cache",
            unit="volume",
            disable=not progress,
        )
        return [_stored(self.folder, name) for name in list(names)]

    def volume(self, item: Item, read: Read) -> dict[str, Any]:
        """The item with what ``read`` makes of its files, from the cache; for whole volumes.

        Args:
            item: with ``image`` and ``label``.
            read: as in :meth:`stacks`.

        Returns:
            the item with ``image`` and ``label`` as ``read`` gives them, values and affine; of
            their other meta data there are the name and the affine of the file.

        Raises:
            CobotError: as :meth:`stacks`.
        """
        name = _make(self.folder, dict(self.recipe), read, item)
        volume = dict(item)
        found = _stored(self.folder, name)
        stacks = (found.image, found.label)
        for key, stack, affines in zip(KEYS, stacks, found.affines, strict=True):
            pixels = torch.from_numpy(np.ascontiguousarray(slices_to_volume(stack.mapped())))
            meta = {"filename_or_obj": str(item[key]), "original_affine": affines[1].numpy()}
            volume[key] = MetaTensor(pixels, affine=affines[0], meta=meta)
        return volume

    def _run(self, make: Callable[[Item], str], items: Sequence[Item]) -> Iterator[str]:
        if not self.workers:
            yield from map(make, items)
            return
        # A process takes seconds to start: none does for volumes that are there.
        there = [_there(self.folder, self.recipe, item) for item in items]
        lacking = [item for item, name in zip(items, there, strict=True) if name is None]
        try:
            with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
                made = pool.map(make, lacking)
                for name in there:
                    yield next(made) if name is None else name
        except BrokenProcessPool as error:
            raise CobotError(
                f"a process that fills cache_dir {self.folder} was ended from outside, as happens "
                f"where memory runs out: give fewer than num_workers={self.workers}, of which "
                "each holds a volume, or 0"
            ) from error


@dataclass(frozen=True)
class CachedVolumes:
    """A transform that gives whole volumes from the cache; picklable, for a loader's workers.

    Args:
        cache: makes what is lacking.
        read: as in :meth:`SliceCache.volume`.
    """

    cache: SliceCache
    read: Read

    def __call__(self, item: Item) -> dict[str, Any]:
        """See :meth:`SliceCache.volume`."""
        return self.cache.volume(item, self.read)


class _Lacking(CobotError):
    """A volume of which not all files are there as they were written."""


def _there(folder: Path, recipe: Mapping[str, Any], item: Item) -> str | None:
    """The name of an item's files where they are there, and its volume need not be hashed."""
    name = known_name(folder, [FORMAT, dict(recipe)], item)
    if name is not None:
        with suppress(_Lacking):
            _stored(folder, name)
            return name
    return None


def _make(folder: Path, recipe: dict[str, Any], read: Read, item: Item) -> str:
    """The name of an item's files, which are there afterwards."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    name = content_name(folder, [FORMAT, recipe], item)
    with suppress(_Lacking):
        _stored(folder, name)
        return name
    lock = FileLock(folder / f"{name}.lock")
    with _writing(folder):
        lock.acquire()
    try:
        _stored(folder, name)  # another process may have made it meanwhile
    except _Lacking as lacking:
        if _record(folder, name).is_file():
            LOGGER.warning("%s: the volume is read again", lacking)
        _write(folder, name, item, read(item))
    finally:
        lock.release()
    return name


def _write(folder: Path, name: str, item: Item, volume: Mapping[str, Any]) -> None:
    written: dict[str, Any] = {}
    for key in KEYS:
        stack = volume_to_slices(volume[key]).contiguous()
        if stack.dtype != torch.uint8:
            raise CobotError(
                f"{item[key]} is read as {stack.dtype}: give a read that makes it uint8, as "
                "volume_transforms does"
            )
        affine = volume[key].affine.to(torch.float64)  # JSON keeps every bit of a double
        source = volume[key].meta.get("original_affine", affine)
        written[key] = {
            "shape": list(stack.shape),
            "affine": affine.tolist(),
            "original_affine": np.asarray(source, dtype=np.float64).tolist(),
        }
        with (
            _writing(folder),
            whole_file(_file(folder, name, key)) as temporary,
            temporary.open("wb") as file,
        ):
            np.save(file, stack.numpy())
    written["boxes"] = [
        [z, organ, *map(int, box)]
        for z, (boxes, organs) in prompts_from_label(volume["label"]).items()
        for box, organ in zip(boxes.tolist(), organs.tolist(), strict=True)
    ]
    with _writing(folder), whole_file(_record(folder, name)) as temporary:
        temporary.write_text(json.dumps(written))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CobotError(
            f"cache_dir {folder} cannot be written ({error}): choose another, or null"
        ) from error


def _file(folder: Path, name: str, key: str) -> Path:
    return folder / f"{name}_{key}.npy"


def _record(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _stored(folder: Path, name: str) -> Stacks:
    """A volume as it was written; its arrays are checked, and stay in their files.

    Raises:
        _Lacking: something is not there, or is not what was written.
        CobotError: it is there and cannot be read, as where too many files are open.
    """
    try:
        written = json.loads(_record(folder, name).read_text())
        image, label = (
            StoredStack.checked(_file(folder, name, key), written[key]["shape"]) for key in KEYS
        )
        of_image, of_label = (
            torch.tensor(
                [written[key]["affine"], written[key]["original_affine"]], dtype=torch.float64
            )
            for key in KEYS
        )
        return Stacks(image, label, _prompts(written["boxes"]), (of_image, of_label))
    except (FileNotFoundError, ValueError, EOFError, KeyError, TypeError) as error:
        raise _Lacking(f"{folder}, {name} is damaged ({error})") from error
    except OSError as error:
        raise CobotError(
            f"cache_dir {folder} cannot be read ({error}): choose another, or null"
        ) from error


def _prompts(rows: list[list[int]]) -> SlicePrompts:
    """Of rows z, organ, x0, y0, x1, y1 that are together where they are of one slice."""
    found = {z: list(group) for z, group in groupby(rows, key=itemgetter(0))}
    return {
        z: (
            torch.tensor([row[2:] for row in group], dtype=torch.float32),
            torch.tensor([row[1] for row in group], dtype=torch.int64),
        )
        for z, group in found.items()
    }
