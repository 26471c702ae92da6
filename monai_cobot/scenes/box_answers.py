"""Masks for the boxes of a scene, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from monai_cobot.inferers import PromptedImageInferer
from monai_cobot.scenes.area import Area
from monai_cobot.scenes.boxes_file import SceneBox
from monai_cobot.scenes.instances import Instance
from monai_cobot.scenes.masks import CoarseMask, ExactMask, Part
from monai_cobot.scenes.model import SceneModel
from monai_cobot.scenes.scene import Scene
from monai_cobot.scenes.tiles import TileGrid

BOXES_AT_ONCE = 128
"""Boxes of a tile that go to the inferer together: each has a mask of the tile's size in memory."""


@dataclass(frozen=True)
class Job:
    """A window of the scene and its boxes, with their places in the file's order.

    Attributes:
        area: the window.
        size: rows and columns in which it is read.
        boxes: (place, box), not more than :data:`BOXES_AT_ONCE`.
    """

    area: Area
    size: tuple[int, int]
    boxes: tuple[tuple[int, SceneBox], ...]


def plan(boxes: Sequence[SceneBox], grid: TileGrid) -> list[Job]:
    """Which boxes are answered where; those of a tile together, those too large for one alone."""
    tiles: dict[Area, list[tuple[int, SceneBox]]] = {}
    for place, found in enumerate(boxes):
        area = grid.best_for(found.box) or grid.own_window(found.box)
        tiles.setdefault(area, []).append((place, found))
    return [
        Job(area, grid.reading_size(area), tuple(members[first : first + BOXES_AT_ONCE]))
        for area, members in sorted(tiles.items(), key=lambda entry: entry[0])
        for first in range(0, len(members), BOXES_AT_ONCE)
    ]


def answer_boxes(
    scene: Scene,
    boxes: Sequence[SceneBox],
    grid: TileGrid,
    model: SceneModel,
    progress: bool = False,
) -> tuple[list[Instance], list[SceneBox]]:
    """An instance a box, in the boxes' order, and the boxes for which the network finds nothing.

    Args:
        scene: the scene.
        boxes: in its pixels.
        grid: its tiles.
        model: answers boxes.
        progress: show a bar on stderr.
    """
    instances: list[Instance] = []
    jobs = plan(boxes, grid)
    for job in tqdm(jobs, desc="tiles", unit="tile", disable=not progress):
        instances += _answer(scene, job, model)
    instances.sort(key=lambda instance: instance.order)
    answered = {instance.order for instance in instances}
    return instances, [found for place, found in enumerate(boxes) if place not in answered]


def _answer(scene: Scene, job: Job, model: SceneModel) -> Iterator[Instance]:
    height, width = job.area.shape
    coarse = job.size != job.area.shape
    inferer = PromptedImageInferer(model.image_size, device=model.device, logits=coarse)
    scale = np.array([job.size[1] / width, job.size[0] / height] * 2)
    corner = np.array([job.area.left, job.area.top] * 2)
    boxes = np.stack([(np.array(found.box) - corner) * scale for _, found in job.boxes])
    picture = scene.read(job.area, job.size)[None]
    answers = inferer(picture, model.network, torch.from_numpy(boxes).float()).numpy()
    valid = scene.valid(job.area) if not coarse else np.ones(job.size, bool)
    rated = [None if math.isnan(q) else round(q, 4) for q in inferer.quality.tolist()]
    for (place, found), answer, quality in zip(job.boxes, answers, rated, strict=True):
        mask = (answer > 0) & valid
        if mask.any():
            part: Part = (
                CoarseMask(answer, job.area, scene) if coarse else ExactMask(mask, job.area)
            )
            yield Instance(found.label, found.score, place, (part,), quality=quality)
