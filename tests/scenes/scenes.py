"""Synthetic scenes, and networks that answer by brightness: an exact, independent truth."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.errors import NotGeoreferencedWarning

from monai_cobot.scenes import SceneModel

UTM = "EPSG:32633"
ORIGIN = (400_000.0, 5_600_000.0)  # easting and northing of the upper left corner
METRES = 0.5
NORTH_UP = Affine(METRES, 0, ORIGIN[0], 0, -METRES, ORIGIN[1])
BRIGHT, DARK = 200, 50


def write_scene(
    path: Path,
    bands: NDArray[Any],
    crs: str | None = UTM,
    transform: Affine = NORTH_UP,
    **options: Any,
) -> Path:
    """A raster of (bands, H, W) or (H, W)."""
    bands = bands[None] if bands.ndim == 2 else bands
    profile = {
        "count": len(bands), "height": bands.shape[1], "width": bands.shape[2],
        "dtype": bands.dtype, "crs": crs, "transform": transform,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **{"driver": "GTiff", **profile, **options}) as file:
            file.write(bands)
    return path


def grey(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A picture that is bright where the mask is."""
    return np.where(mask, BRIGHT, DARK).astype(np.uint8)


def brightness(image: torch.Tensor) -> torch.Tensor:
    """The first channel of a model's input (1, 3, S, S) as values 0..255; padding is below half."""
    return image[0, 0] * 58.395 + 123.675


def turned(degrees: float) -> Affine:
    """Pixels of :data:`METRES`, a scene that does not look north."""
    angle = np.deg2rad(degrees)
    cos, sin = METRES * np.cos(angle), METRES * np.sin(angle)
    return Affine(cos, sin, ORIGIN[0], sin, -cos, ORIGIN[1])


def by_affine(transform: Affine, x: float, y: float) -> list[float]:
    """A pixel position on the map, by the definition of GDAL's geotransform."""
    a, b, c, d, e, f = transform[:6]
    return [c + x * a + y * b, f + x * d + y * e]


class BrightInBox:
    """Answers a box with the pixels in it that are brighter than half; counts its calls."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, image: torch.Tensor, boxes: list[torch.Tensor]) -> torch.Tensor:
        bright = brightness(image) > 127.5
        self.calls.append(len(boxes[0]))
        logits = torch.full((len(boxes[0]), 1, *image.shape[-2:]), -1.0)
        for plane, box in zip(logits, boxes[0], strict=True):
            x0, y0, x1, y1 = box.round().int().tolist()
            inside = torch.zeros_like(bright)
            inside[y0:y1, x0:x1] = True
            plane[0][bright & inside] = 1.0
        return logits


class ClassesByBrightness:
    """Learned organ prompts: first class from 100 to 180, second above; wrong near its border.

    Within ``blind`` pixels of the input's border it takes everything for background.
    """

    def __init__(self, blind: int = 0) -> None:
        self.blind = blind

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        values = brightness(image)
        # Padding is 123.675 exactly; no scene here has that value.
        real = (values - 123.675).abs() > 1e-3
        classes = torch.stack([(values > 100) & (values < 180) & real, values >= 180])
        if self.blind:
            n = self.blind
            seen = torch.zeros_like(classes)
            seen[:, n:-n, n:-n] = True
            classes &= seen
        return torch.where(classes, 1.0, -1.0)[None]


def box_model(size: int = 1024) -> SceneModel:
    return SceneModel(BrightInBox(), size)


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def rectangle(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
    """A GeoJSON polygon."""
    ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
    return {"type": "Polygon", "coordinates": [ring]}


def in_utm(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
    """Pixel edges of a north-up scene as easting and northing, by hand."""
    return (
        ORIGIN[0] + METRES * x0,
        ORIGIN[1] - METRES * y1,
        ORIGIN[0] + METRES * x1,
        ORIGIN[1] - METRES * y0,
    )


def write_boxes(path: Path, features: list[dict[str, Any]], crs: str | None = None) -> Path:
    """A FeatureCollection, with the old ``crs`` member where a name is given."""
    content: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if crs is not None:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(content))
    return path


UTM_URN = "urn:ogc:def:crs:EPSG::32633"
