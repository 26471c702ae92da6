"""A raster file, read window by window as SAM's bytes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.windows import Window

from monai_cobot.errors import CobotError
from monai_cobot.scenes.area import Area
from monai_cobot.scenes.stretch import DEFAULT_PERCENTILES, Stretch

OVERVIEW = 2048
"""Longest side of the decimated read of which the percentiles are taken, pixels."""


class Scene:
    """A scene in a format that GDAL reads (GeoTIFF, PNG, JPEG, …); a context manager.

    Args:
        path: the file.
        bands: numbers of one band or of three (red, green, blue), from 1; None takes the first
            three, or the first where there are fewer; alpha is not counted.
        stretch: percentiles of the scene's valid pixels that become 0 and 255, a band each; None
            leaves 8 bit as it is, and takes 2 and 98 for all else.

    Attributes:
        path: the file.
        area: all of it.
        crs: rasterio's CRS, or None; coordinates are then those of the transform alone.
        transform: affine, from pixel edges (x, y) to map coordinates.
        bands: the bands that are read.
        stretch: what is done to their values; None leaves bytes as they are.
        notes: what the user should know of it.

    Raises:
        CobotError: no raster, no such band, another number of bands than one or three, a palette,
            complex values, or percentiles that are not ascending.
    """

    def __init__(
        self,
        path: str | Path,
        bands: Sequence[int] | None = None,
        stretch: tuple[float, float] | None = None,
    ) -> None:
        self.path = Path(path).expanduser()
        self.notes: list[str] = []
        self._file = self._open()
        try:
            self.area = Area(0, 0, self._file.height, self._file.width)
            self.crs, self.transform = self._file.crs, self._file.transform
            self.bands = self._choose(bands)
            kinds = {np.dtype(self._file.dtypes[band - 1]) for band in self.bands}
            self._floating = any(kind.kind == "f" for kind in kinds)
            self._all_valid = not self._floating and all(
                MaskFlags.all_valid in self._file.mask_flag_enums[band - 1] for band in self.bands
            )
            self._note_georeference()
            self.stretch: Stretch | None = None
            if stretch is not None or kinds != {np.dtype("uint8")}:
                self.stretch = self._measure(stretch or DEFAULT_PERCENTILES)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, area: Area, size: tuple[int, int] | None = None) -> torch.Tensor:
        """Pixels of an area, at their own resolution or fewer.

        Args:
            area: which.
            size: rows and columns (h, w) of the result, averaged; None is the area's own.

        Returns:
            (1 or 3, h, w) uint8, 0..255, slice frame; 0 where there are no data.

        Raises:
            CobotError: the file is damaged there.
        """
        values = self._values(area, size, Resampling.average)
        bytes_ = values if self.stretch is None else self.stretch(values)
        valid = self._is_valid(area, size, values)
        return torch.from_numpy(np.where(valid, bytes_, 0).astype(np.uint8))

    def valid(self, area: Area) -> NDArray[np.bool_]:
        """Where an area (H, W) has data: in one of the bands at least, and finite in all."""
        if self._all_valid:
            return np.ones(area.shape, bool)
        values = self._values(area) if self._floating else None
        return self._is_valid(area, None, values)

    def to_map(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (N, 2), x and y in pixels, in map coordinates."""
        return _moved(points, self.transform)

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (N, 2) of the map in pixels, x and y."""
        return _moved(points, ~self.transform)

    def pixel_m2(self) -> float | None:
        """Square metres of a pixel; None where the CRS is not a projected one."""
        if self.crs is None or not self.crs.is_projected:
            return None
        metres = float(self.crs.linear_units_factor[1])
        return abs(float(self.transform.determinant)) * metres**2

    def _open(self) -> Any:
        try:
            with warnings.catch_warnings():  # said in words of our own
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                return rasterio.open(self.path)
        except RasterioIOError as error:
            raise CobotError(
                f"{self.path} is not readable as a raster ({error}): check the path, or convert it "
                "to GeoTIFF"
            ) from error

    def _choose(self, bands: Sequence[int] | None) -> list[int]:
        interpretations, types = self._file.colorinterp, self._file.dtypes
        colours = [n for n in self._file.indexes if interpretations[n - 1] != ColorInterp.alpha]
        if not colours:
            raise CobotError(f"{self.path} has an alpha band alone: give a picture")
        chosen = list(bands or (colours[:3] if len(colours) >= 3 else colours[:1]))
        if len(chosen) not in (1, 3):
            raise CobotError(f"bands {chosen}: SAM takes one band, or three as red, green and blue")
        for band in chosen:
            if band not in self._file.indexes:
                raise CobotError(
                    f"{self.path} has no band {band}: choose among 1 to {self._file.count}"
                )
            if interpretations[band - 1] == ColorInterp.palette:
                raise CobotError(
                    f"band {band} of {self.path} holds numbers of a palette: expand it first "
                    "(gdal_translate -expand rgb)"
                )
            if str(types[band - 1]).startswith("complex"):  # NumPy does not know complex_int16
                raise CobotError(f"band {band} of {self.path} is complex: give its magnitude")
        if bands is None and len(colours) not in (1, 3):
            self.notes.append(f"of {len(colours)} bands {chosen} are taken: choose with --bands")
        return chosen

    def _note_georeference(self) -> None:
        if self.crs is not None:
            return
        where = "pixels" if self.transform.is_identity else "coordinates of its transform"
        self.notes.append(f"the scene has no CRS: the results are in {where}")
        if self._file.gcps[0]:
            self.notes.append("its ground control points are not used: warp it first (gdalwarp)")

    def _measure(self, percentiles: tuple[float, float]) -> Stretch:
        height, width = self.area.shape
        scale = min(1.0, OVERVIEW / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        values = self._values(self.area, size)
        valid = self._is_valid(self.area, size, values)
        if not valid.any():
            raise CobotError(
                f"{self.path} has no valid pixels in bands {self.bands}: see its nodata"
            )
        return Stretch.measured(values, valid, percentiles)

    def _values(
        self,
        area: Area,
        size: tuple[int, int] | None = None,
        resampling: Resampling = Resampling.nearest,
    ) -> NDArray[Any]:
        """Stored values (bands, h, w)."""
        shape = (len(self.bands), *(size or area.shape))
        values: NDArray[Any] = self._reading(
            self._file.read, area, out_shape=shape, resampling=resampling
        )
        return values

    def _is_valid(
        self, area: Area, size: tuple[int, int] | None, values: NDArray[Any] | None
    ) -> NDArray[np.bool_]:
        if self._all_valid:
            return np.ones(size or area.shape, bool)
        shape = (len(self.bands), *(size or area.shape))
        valid: NDArray[np.bool_] = self._reading(self._file.read_masks, area, out_shape=shape).any(
            axis=0
        )
        return valid if values is None else valid & np.isfinite(values).all(axis=0)

    def _reading(self, read: Any, area: Area, **options: Any) -> Any:
        height, width = area.shape
        window = Window(area.left, area.top, width, height)
        try:
            return read(self.bands, window=window, **options)
        except RasterioError as error:
            raise CobotError(
                f"{self.path} cannot be read at rows {area.top} to {area.bottom}, columns "
                f"{area.left} to {area.right} ({error}): it may be cut off, copy it again"
            ) from error


def _moved(points: NDArray[np.float64], transform: Any) -> NDArray[np.float64]:
    a, b, c, d, e, f = transform[:6]
    x, y = points[:, 0], points[:, 1]
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)
