"""Boxes of a scene: polygons of a GeoJSON, or a detector's results in COCO's format.

GeoJSON (RFC 7946): a FeatureCollection of Polygon and MultiPolygon features, whose bounds in the
scene's pixels are the boxes, with properties ``class`` (or ``organ``) and perhaps ``score``. COCO's
results: a list of ``image_id``, ``category_id`` (the class's label), ``bbox`` [x, y, width, height]
in the scene's pixels, and perhaps ``score``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_cobot.errors import CobotError
from monai_cobot.scenes.geojson import CLASS_KEYS, map_bounds
from monai_cobot.scenes.scene import Scene
from monai_cobot.scenes.tiles import Box


@dataclass(frozen=True)
class SceneBox:
    """One box.

    Attributes:
        box: XYXY in pixels of the scene, within it.
        label: of its class.
        score: the detector's, or None.
        place: where the file has it, for messages.
    """

    box: Box
    label: int
    score: float | None
    place: str


def read_boxes(
    path: str | Path, scene: Scene, labels: Mapping[str, int], crs: str | None = None
) -> list[SceneBox]:
    """Read the boxes of a scene; those that reach beyond its border are cut there.

    Args:
        path: the file.
        scene: gives CRS, transform and size; a note of it says what was cut.
        labels: the organ table, class name to label.
        crs: of a GeoJSON, in place of what it says itself: its old ``crs`` member, else WGS 84.
            Where the scene has no CRS the coordinates are those of its transform.

    Raises:
        CobotError: no such file, another format, an unknown class, a geometry that is no polygon,
            a CRS that is not known or cannot be brought to the scene's, or a box outside of the
            scene.
    """
    path = Path(path).expanduser()
    content = _read(path)
    if isinstance(content, list):
        if crs is not None:
            raise CobotError(f"{path} has boxes in pixels (COCO): leave --boxes-crs out")
        entries, bounds = content, _coco_bounds(content, path)
        kind, described = "entry", [_coco_class(entry) for entry in entries]
    else:
        entries, bounds = map_bounds(content, path, scene, crs)
        kind, described = "feature", [_properties(entry) for entry in entries]
    if not entries:
        raise CobotError(f"{path} holds no boxes: give some, or leave --boxes out")
    places = [f"{kind} {number} of {path}" for number in range(len(entries))]
    boxes = _within(bounds, scene, places)
    return [
        SceneBox(box, _label(found, labels, place), _score(found, place), place)
        for box, found, place in zip(boxes, described, places, strict=True)
    ]


def _read(path: Path) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CobotError(f"{path} does not exist: check --boxes") from None
    except (OSError, ValueError) as error:
        raise CobotError(f"{path} is not readable as JSON ({error}): mend it") from None
    if isinstance(content, list) and all(isinstance(entry, dict) for entry in content):
        return content
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        return content
    raise CobotError(
        f"{path} is neither a GeoJSON FeatureCollection nor a list of COCO results: write one of "
        "the two"
    )


def _coco_bounds(entries: Sequence[Mapping[str, Any]], path: Path) -> NDArray[np.float64]:
    pictures = {str(entry.get("image_id")) for entry in entries}
    if len(pictures) > 1:
        raise CobotError(
            f"{path} has boxes of {len(pictures)} pictures (image_id): keep those of this scene"
        )
    bounds = np.zeros((len(entries), 4))
    for number, entry in enumerate(entries):
        try:
            x, y, width, height = (float(value) for value in entry["bbox"])
        except (KeyError, TypeError, ValueError):
            raise CobotError(
                f"entry {number} of {path} has the bbox {entry.get('bbox')!r}: give x, y, width, "
                "height"
            ) from None
        bounds[number] = x, y, x + width, y + height
    return bounds


def _coco_class(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"class": entry.get("category_id"), "score": entry.get("score")}


def _properties(feature: Mapping[str, Any]) -> dict[str, Any]:
    properties = feature.get("properties")
    return dict(properties) if isinstance(properties, Mapping) else {}


def _label(found: Mapping[str, Any], labels: Mapping[str, int], place: str) -> int:
    """Label of a class that is given by name or by label; the only one where none is given."""
    name = next((found[key] for key in CLASS_KEYS if found.get(key) is not None), None)
    if name is None and len(labels) == 1:
        return next(iter(labels.values()))
    if isinstance(name, str) and name in labels:
        return labels[name]
    if isinstance(name, int) and not isinstance(name, bool) and name in labels.values():
        return name
    known = ", ".join(f"{known} ({label})" for known, label in labels.items())
    raise CobotError(f"{place} is of the unknown class {name!r}: known are {known}")


def _score(found: Mapping[str, Any], place: str) -> float | None:
    score = found.get("score")
    if score is None:
        return None
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise CobotError(f"{place} has the score {score!r}: give a number, or leave it out")
    return float(score)


def _within(bounds: NDArray[np.float64], scene: Scene, places: Sequence[str]) -> list[Box]:
    """Bounds (N, 4) XYXY cut at the scene's border; CobotError for a box that is not in it."""
    height, width = scene.area.shape
    finite = np.isfinite(bounds).all(axis=1)
    cut = np.clip(np.nan_to_num(bounds), 0, [width, height, width, height])
    empty = (cut[:, 2] <= cut[:, 0]) | (cut[:, 3] <= cut[:, 1]) | ~finite
    if empty.any():
        first = int(np.argmax(empty))
        edges = ", ".join(f"{edge:.1f}" for edge in bounds[first])
        raise CobotError(
            f"{places[first]} lies outside of the scene, or is empty: pixels {edges} of "
            f"{width} x {height}, {int(empty.sum())} of {len(bounds)} boxes are so: check the "
            f"boxes' CRS (--boxes-crs; the scene's is {scene.crs or 'none'}), or take them out"
        )
    changed = int((np.abs(cut - bounds) > 1e-6).any(axis=1).sum())
    if changed:
        scene.notes.append(f"{changed} boxes reach beyond the scene and are cut at its border")
    return [(float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in cut]
