"""Classes of a whole scene by learned organ prompts, without seams between its tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from monai_cobot.inferers import PromptedImageInferer, paint_logits
from monai_cobot.scenes.area import BLOCK, Area
from monai_cobot.scenes.model import SceneModel
from monai_cobot.scenes.scene import Scene
from monai_cobot.scenes.tiles import TileGrid

Blocks = Iterator[tuple[Area, NDArray[np.uint8]]]


def blended_classes(
    scene: Scene,
    grid: TileGrid,
    model: SceneModel,
    labels: Sequence[int],
    scratch: Path,
    progress: bool = False,
) -> Blocks:
    """Class labels of the scene, block by block, row by row.

    Where tiles overlap, the mean of their logits counts, weighted by the distance to each tile's
    border; the highest one above 0 gives the class, as in a volume. The rows of one line of tiles
    are summed up in a file, so that a wide scene needs no more memory.

    Args:
        scene: the scene.
        grid: its tiles.
        model: has learned organ prompts.
        labels: of the organ prompts, in the network's order.
        scratch: folder for that file.
        progress: show a bar on stderr.

    Yields:
        an area and its labels (H, W), 0 where nothing is or where there are no data. The areas of
        a row have the same rows and cover the scene's width.
    """
    tops, lefts = grid.tops, grid.lefts
    sums = _sums(scratch, len(labels), grid)
    inferer = PromptedImageInferer(
        model.image_size, device=model.device, prompts="organ", organ_labels=labels, logits=True
    )
    bar = tqdm(total=len(tops) * len(lefts), desc="tiles", unit="tile", disable=not progress)
    with bar:
        for top, following in zip(tops, [*tops[1:], grid.height], strict=True):
            for left in lefts:
                _add(sums, scene, grid.at(top, left), grid.overlap, model, inferer)
                bar.update()
            for area in Area(top, 0, following, grid.width).blocks_of_columns():
                done = sums[:, : area.shape[0], area.left : area.right]
                found = paint_logits(torch.from_numpy(np.array(done)), torch.tensor(labels)).numpy()
                yield area, np.where(scene.valid(area), found, 0).astype(np.uint8)
            _move_up(sums, following - top)


def border_weights(length: int, overlap: int) -> NDArray[np.float32]:
    """Weights (length,) of a tile's pixels along one axis.

    The distance of a pixel's centre to the tile's border, up to the overlap. The sum of all tiles'
    weights at a pixel is the same for all classes, so nobody divides by it.
    """
    centres = np.arange(length) + 0.5
    distance = np.minimum(centres, length - centres)
    weights: NDArray[np.float32] = np.minimum(distance, max(overlap, 0.5)).astype(np.float32)
    return weights


def _sums(scratch: Path, classes: int, grid: TileGrid) -> NDArray[np.float32]:
    shape = (classes, min(grid.tile, grid.height), grid.width)
    return np.memmap(scratch / "logits", np.dtype(np.float32), "w+", shape=shape)


def _add(
    sums: NDArray[np.float32],
    scene: Scene,
    area: Area,
    overlap: int,
    model: SceneModel,
    inferer: PromptedImageInferer,
) -> None:
    height, width = area.shape
    logits = inferer(scene.read(area)[None], model.network, torch.zeros(0, 4)).numpy()
    weights = border_weights(height, overlap)[:, None] * border_weights(width, overlap)
    sums[:, :height, area.left : area.right] += logits * weights


def _move_up(sums: NDArray[np.float32], rows: int) -> None:
    """Takes out the first rows; zeros come in below."""
    kept = sums.shape[1] - rows
    for left in range(0, sums.shape[2], BLOCK):
        columns = slice(left, left + BLOCK)
        if kept > 0:
            sums[:, :kept, columns] = sums[:, rows:, columns].copy()
        sums[:, max(kept, 0) :, columns] = 0
