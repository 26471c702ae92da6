"""GeoJSON: boxes of its polygons, and polygons for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform

from monai_cobot.errors import CobotError
from monai_cobot.scenes.scene import Scene

CLASS_KEYS = ("class", "organ")
"""Properties that name a feature's class."""

WGS84 = "OGC:CRS84"
POINTS_A_SIDE = 16
"""Edges get further points before they go to another CRS, where they are no longer straight."""

Features = list[Mapping[str, Any]]


def map_bounds(
    content: Mapping[str, Any], path: Path, scene: Scene, crs: str | None
) -> tuple[Features, NDArray[np.float64]]:
    """The features, and their bounds (N, 4) XYXY in the scene's pixels.

    Args:
        content: a FeatureCollection.
        path: its file, for messages.
        scene: gives CRS and transform.
        crs: of the coordinates, in place of the file's own.

    Raises:
        CobotError: see :func:`~monai_cobot.scenes.boxes_file.read_boxes`.
    """
    features = content.get("features")
    if not isinstance(features, list) or not all(isinstance(f, Mapping) for f in features):
        raise CobotError(f"{path} has no list of features: write a GeoJSON FeatureCollection")
    outlines = [_outline(f, f"feature {n} of {path}") for n, f in enumerate(features)]
    source = _source_crs(content, path, scene, crs)
    if source is not None and source != scene.crs:
        outlines = [
            shapely.segmentize(outline, max(outline.length / (4 * POINTS_A_SIDE), 1e-9))
            for outline in outlines
        ]
    points, owners = shapely.get_coordinates(outlines, return_index=True)
    if source is not None and source != scene.crs and len(points):
        points = _warped(points, source, scene, path)
    pixels = scene.to_pixels(points)
    bounds = np.full((len(outlines), 4), np.inf)
    bounds[:, 2:] = -np.inf
    np.minimum.at(bounds[:, :2], owners, pixels)
    np.maximum.at(bounds[:, 2:], owners, pixels)
    return list(features), bounds


def crs_member(crs: Any) -> dict[str, Any] | None:
    """The ``crs`` member that names a CRS, as GDAL reads it; None for no CRS.

    RFC 7946 has taken it out and knows WGS 84 alone; here coordinates are the scene's own.
    """
    if crs is None:
        return None
    code = crs.to_epsg()
    if code == 4326:
        name = "urn:ogc:def:crs:OGC:1.3:CRS84"  # longitude first, as GeoJSON has it
    elif code is not None and CRS.from_epsg(code) == crs:
        name = f"urn:ogc:def:crs:EPSG::{code}"
    else:
        name = crs.to_wkt()
    return {"type": "name", "properties": {"name": name}}


def write_geojson(
    file: Path, name: str, crs: Any, features: Iterable[tuple[dict[str, Any], Any]]
) -> None:
    """Writes features one at a time.

    Args:
        file: the path.
        name: of the collection.
        crs: rasterio's, or None.
        features: properties and shapely geometry of each, in map coordinates.
    """
    head: dict[str, Any] = {"type": "FeatureCollection", "name": name}
    member = crs_member(crs)
    if member is not None:
        head["crs"] = member
    with file.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(head)[:-1] + ', "features": [')
        for number, (properties, geometry) in enumerate(features):
            feature = {
                "type": "Feature",
                "properties": properties,
                "geometry": shapely.geometry.mapping(geometry),
            }
            stream.write((",\n" if number else "\n") + json.dumps(feature))
        stream.write("\n]}\n")


def _outline(feature: Mapping[str, Any], place: str) -> Any:
    try:
        outline = shapely.geometry.shape(feature["geometry"])
        usable = outline.geom_type in ("Polygon", "MultiPolygon") and not outline.is_empty
    except Exception as error:  # shapely raises whatever the coordinates lead to
        raise CobotError(f"{place} has no geometry that can be read ({error}): mend it") from error
    if not usable:
        raise CobotError(
            f"{place} is a {outline.geom_type}{' without points' if outline.is_empty else ''}: "
            "give polygons, whose bounds are the boxes"
        )
    return outline


def _source_crs(content: Mapping[str, Any], path: Path, scene: Scene, crs: str | None) -> Any:
    """CRS of the coordinates; None where they are those of a scene without one."""
    member = content.get("crs")
    named = crs
    if named is None and member is not None:
        named = _member_name(member)
        if named is None:
            raise CobotError(f"{path} has a crs member without a name: give --boxes-crs")
    if scene.crs is None:
        if named is not None:
            raise CobotError(
                f"the boxes of {path} have the CRS {named}, and {scene.path} has none: give a "
                "scene with a CRS, or boxes in its pixels"
            )
        return None
    try:
        return CRS.from_user_input(named or WGS84)
    except CRSError as error:
        raise CobotError(
            f"the CRS {named!r} of {path} is not known ({error}): give --boxes-crs, as EPSG:32633"
        ) from error


def _member_name(member: Any) -> str | None:
    try:
        name = member["properties"]["name"]
    except (KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


def _warped(
    points: NDArray[np.float64], source: Any, scene: Scene, path: Path
) -> NDArray[np.float64]:
    try:
        x, y = transform(source, scene.crs, points[:, 0].tolist(), points[:, 1].tolist())
    except Exception as error:  # GDAL's own error classes come out, which rasterio keeps private
        raise CobotError(
            f"the boxes of {path} cannot be brought to the scene's CRS {scene.crs} ({error}): "
            "check their CRS, --boxes-crs"
        ) from error
    return np.stack([np.array(x), np.array(y)], axis=1)
