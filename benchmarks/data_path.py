"""A slice with 13 organs from the cache, against the usual preprocessing of a sample an organ."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from harness import Row, Settings, compare, counted, timed
from volumes import write

from monai_cobot.data.slice_cache import SliceCache
from monai_cobot.data.slices import SliceDataset, collate_slices
from monai_cobot.inferers import prepare_slices
from monai_cobot.transforms import Preprocessing, slice_transforms, volume_transforms

PART = "data_path"
MOST_SECONDS = 0.002
REPEATS = 20


def measure(settings: Settings) -> Iterator[Row]:
    """A CT of 512 x 512 x 100, a slice of it at a time."""
    volume, slices = (64, 4) if settings.quick else (512, 100)
    for side in settings.sides:
        yield from at(settings, volume, slices, side)


def at(settings: Settings, volume: int, slices: int, side: int) -> Iterator[Row]:
    """For a network of that size."""
    organs = settings.organs
    with tempfile.TemporaryDirectory() as folder:
        item = write(Path(folder), volume, slices, organs)
        preprocessing = Preprocessing("CT", (-160.0, 240.0))
        cache = SliceCache(Path(folder) / "cache", preprocessing.to_dict())
        read = volume_transforms(preprocessing)
        cached, plain = (
            SliceDataset([item], read, slice_transforms(side, deferred=deferred), cache=cache)
            for deferred in (True, False)
        )
        draw, device = count(), torch.device(settings.device)

        def several(one: Callable[[int], object]) -> Callable[[], object]:
            return lambda: [one(next(draw)) for _ in range(REPEATS)]

        def on_device(number: int) -> object:
            return prepare_slices(collate_slices([cached[number]]), device)

        def with_masks(number: int) -> object:
            _, _, _, prompts = prepare_slices(collate_slices([cached[number]]), device)
            return [target.stacked() for target in prompts["targets"]]

        def usual() -> object:
            return usual_sample(cached.entry(next(draw) % len(cached)), 1, side)

        where = f"{volume} x {volume} x {slices} at {side}, {organs} organs"
        for name, one in (
            ("from the cache, image in the model frame", on_device),
            ("from the cache, image and all masks", with_masks),
        ):
            row = compare(
                PART, name, f"{where}, against scikit-image, an organ a sample", usual,
                several(one), settings, repeats=(organs * REPEATS, 1), bound=0.1,
                note=f"peer: {organs} times one organ",
            )  # fmt: skip
            yield per_slice(row)
            yield of_two_milliseconds(name, where, row.ours / REPEATS)
        runs = [timed(several(cached.__getitem__), "cpu") for _ in range(settings.blocks)]
        seconds = median(getattr(run, settings.clock) for run in runs) / REPEATS
        yield of_two_milliseconds("from the cache, read alone, still as it was", where, seconds)
        yield per_slice(compare(
            PART, "from the cache, image and all masks", f"{where}, against all at once on the CPU",
            several(plain.__getitem__), several(with_masks), settings,
        ))  # fmt: skip


def of_two_milliseconds(name: str, where: str, seconds: float) -> Row:
    """The seconds of a slice over what is asked for."""
    return counted(
        PART, f"seconds, {name}", f"{where}, of the 2 ms", MOST_SECONDS, seconds, "s", bound=1
    )


def per_slice(row: Row) -> Row:
    """Seconds of many slices as seconds of one."""
    return Row(**{**vars(row), "peer": row.peer / REPEATS, "ours": row.ours / REPEATS})


def usual_sample(entry: dict[str, Any], organ: int, side: int) -> object:
    """Image (cubic) and one organ's mask (nearest), both resized, the box from the mask."""
    from skimage.transform import resize

    image = entry["image"][0].numpy().astype(np.float32)
    mask = (entry["label"][0].numpy() == organ).astype(np.uint8)
    size = (side, side)
    image = resize(image, size, order=3, preserve_range=True, mode="constant", anti_aliasing=True)
    mask = resize(mask, size, order=0, preserve_range=True, mode="constant", anti_aliasing=False)
    rows, columns = np.nonzero(mask)
    box = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
    image = (image - image.min()) / max(float(np.ptp(image)), 1e-8)
    three = np.repeat(image[None], 3, axis=0)
    return torch.from_numpy(three).float(), torch.from_numpy(mask), torch.from_numpy(box)
