"""A scene from file to files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

import monai_cobot
from monai_cobot.errors import CobotError
from monai_cobot.scenes.blending import blended_classes
from monai_cobot.scenes.box_answers import answer_boxes
from monai_cobot.scenes.boxes_file import SceneBox, read_boxes
from monai_cobot.scenes.found import Found, FoundByBoxes, areas_by_class, found_by_classes
from monai_cobot.scenes.geojson import write_geojson
from monai_cobot.scenes.instances import MERGE_OVERLAP, merge_instances
from monai_cobot.scenes.model import SceneModel, check_prompts
from monai_cobot.scenes.polygons import whole_polygon
from monai_cobot.scenes.scene import Scene
from monai_cobot.scenes.tiles import TileGrid
from monai_cobot.scenes.writing import Files, write_rasters
from monai_cobot.segmentation.results import sha256

FORMAT = "monai_cobot/scene/1"


@dataclass(frozen=True)
class Settings:
    """How a scene is segmented.

    Attributes:
        boxes: their file; None for learned organ prompts.
        boxes_crs: of a GeoJSON of boxes, in place of what it says itself.
        bands: one or three, from 1; None chooses.
        stretch: percentiles that become 0 and 255; None for 2 and 98, and 8 bit as it is.
        tile: side of a tile, pixels; None is the network's own input.
        overlap: of two tiles, pixels; None is a quarter of a tile.
        merge: see :func:`~monai_cobot.scenes.instances.merge_instances`; None merges nothing.
        min_area: instances of fewer pixels are dropped.
    """

    boxes: str | Path | None = None
    boxes_crs: str | None = None
    bands: tuple[int, ...] | None = None
    stretch: tuple[float, float] | None = None
    tile: int | None = None
    overlap: int | None = None
    merge: float | None = MERGE_OVERLAP
    min_area: int = 0

    def __post_init__(self) -> None:
        if self.merge is not None and not 0 <= self.merge < 1:
            raise CobotError(f"merge overlap {self.merge:g}: give a share from 0 to below 1")
        if self.min_area < 0:
            raise CobotError(f"min area {self.min_area}: give a number of pixels, 0 or more")
        if self.boxes is None and self.boxes_crs is not None:
            raise CobotError("--boxes-crs is of --boxes: give both, or none")

    def grid(self, scene: Scene, image_size: int) -> TileGrid:
        """The tiles of a scene; CobotError for sides that do not fit."""
        tile = image_size if self.tile is None else self.tile
        overlap = tile // 4 if self.overlap is None else self.overlap
        return TileGrid(*scene.area.shape, tile, overlap)


def segment_scene(
    path: str | Path,
    folder: str | Path,
    labels: Mapping[str, int],
    build_model: Callable[[], SceneModel],
    settings: Settings | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Segment a scene of any size, window by window.

    Args:
        path: the scene.
        folder: gets ``<scene>_classes.tif`` (uint8 labels), ``<scene>_instances.tif`` (uint32
            numbers), ``<scene>.geojson`` (a feature an instance, in the scene's CRS) and
            ``summary.json``; all of them or none.
        labels: the organ table, class name to label, 1..255.
        build_model: gives the network; called once everything else is checked.
        settings: how.
        overwrite: whether earlier results are replaced.
        progress: show bars on stderr.

    Returns:
        what ``summary.json`` says.

    Raises:
        CobotError: whatever of scene, boxes, settings and OUT is not usable, before the network
            is built; a network that needs boxes and has none.
    """
    settings, started = settings or Settings(), perf_counter()
    if max(labels.values()) > 255:
        raise CobotError(f"labels {list(labels.values())}: the raster of classes holds 1 to 255")
    with Scene(path, settings.bands, settings.stretch) as scene:
        inputs = () if settings.boxes is None else (settings.boxes,)
        files = Files.of(folder, scene.path, overwrite, inputs)
        boxes = None
        if settings.boxes is not None:
            boxes = read_boxes(settings.boxes, scene, labels, settings.boxes_crs)
        if settings.tile is not None:
            settings.grid(scene, settings.tile)
        model = build_model()
        check_prompts(model, boxes is not None)
        grid = settings.grid(scene, model.image_size)
        files.make_folder()
        counts: dict[str, Any] = {}
        out = files.summary.parent
        with _found(scene, boxes, grid, model, labels, settings, out, counts, progress) as found:
            summary = _summary(scene, grid, model, settings, found, labels) | counts
            _write(files, scene, found, labels, summary, started, progress)
    return summary


@contextmanager
def _found(
    scene: Scene,
    boxes: Sequence[SceneBox] | None,
    grid: TileGrid,
    model: SceneModel,
    labels: Mapping[str, int],
    settings: Settings,
    out: Path,
    counts: dict[str, Any],
    progress: bool,
) -> Iterator[Found]:
    """Instances by boxes or by classes; ``counts`` gets what the summary tells of boxes.

    What is too large for the memory goes into a folder in OUT (the system's folder for temporary
    files may be in memory), which is gone after that.
    """
    if boxes is not None:
        yield _by_boxes(scene, boxes, grid, model, settings, counts, progress)
        return
    with TemporaryDirectory(prefix=".unfinished.", dir=out) as name:
        scratch = Path(name)
        blocks = blended_classes(scene, grid, model, list(labels.values()), scratch, progress)
        with found_by_classes(blocks, scene, scratch, settings.min_area) as found:
            yield found


def _by_boxes(
    scene: Scene,
    boxes: Sequence[SceneBox],
    grid: TileGrid,
    model: SceneModel,
    settings: Settings,
    counts: dict[str, Any],
    progress: bool,
) -> FoundByBoxes:
    instances, silent = answer_boxes(scene, boxes, grid, model, progress)
    answered = len(instances)
    if settings.merge is not None:
        instances = merge_instances(instances, settings.merge)
    kept = [found for found in instances if found.pixels >= max(settings.min_area, 1)]
    counts["boxes"] = {
        "given": len(boxes),
        "without_answer": [found.place for found in silent],
        "merged_away": answered - len(instances),
        "too_small": len(instances) - len(kept),
    }
    return FoundByBoxes(kept)


def _write(
    files: Files,
    scene: Scene,
    found: Found,
    labels: Mapping[str, int],
    summary: dict[str, Any],
    started: float,
    progress: bool,
) -> None:
    label_of = np.array([0, *(entry.label for entry in found.described)], np.uint8)
    with files.unfinished() as unfinished:
        write_rasters(unfinished, scene, found.paint, label_of, labels, progress)
        features = _features(found, scene, labels)
        write_geojson(unfinished.polygons, scene.path.stem, scene.crs, features)
        summary["seconds"] = round(perf_counter() - started, 2)
        unfinished.summary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def _features(
    found: Found, scene: Scene, labels: Mapping[str, int]
) -> Iterator[tuple[dict[str, Any], Any]]:
    names, pixel_m2 = {label: name for name, label in labels.items()}, scene.pixel_m2()
    pairs = zip(found.described, found.outlines(), strict=True)
    for number, (entry, parts) in enumerate(pairs, start=1):
        properties: dict[str, Any] = {
            "instance": number,
            "class": names[entry.label],
            "label": entry.label,
            "score": entry.score,
            "quality": entry.quality,
            "pixels": entry.pixels,
        }
        if pixel_m2 is not None:
            properties["area_m2"] = round(entry.pixels * pixel_m2, 6)
        yield properties, whole_polygon(parts, scene)


def _summary(
    scene: Scene,
    grid: TileGrid,
    model: SceneModel,
    settings: Settings,
    found: Found,
    labels: Mapping[str, int],
) -> dict[str, Any]:
    height, width = scene.area.shape
    prompts = "learned organ prompts" if settings.boxes is None else "boxes of a file"
    boxes = None if settings.boxes is None else Path(settings.boxes).expanduser().resolve()
    return {
        "format": FORMAT,
        "version": monai_cobot.__version__,
        "scene": str(scene.path.resolve()),
        "size": {"rows": height, "columns": width},
        "crs": None if scene.crs is None else scene.crs.to_string(),
        "bands": scene.bands,
        "stretch": None if scene.stretch is None else asdict(scene.stretch),
        "tile": grid.tile,
        "overlap": grid.overlap,
        "merge_overlap": None if boxes is None else settings.merge,
        "min_area": settings.min_area,
        "made_with": {
            **model.made_with,
            "prompts": prompts,
            "boxes_file": None if boxes is None else str(boxes),
            "boxes_sha256": sha256(boxes),
        },
        "labels": dict(labels),
        "instances": len(found.described),
        "classes": areas_by_class(found.described, labels),
        "notes": scene.notes,
    }
