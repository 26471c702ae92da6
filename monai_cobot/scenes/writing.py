"""The results' files: two rasters, polygons and a summary, all of them or none."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window
from tqdm import tqdm

from monai_cobot.errors import CobotError
from monai_cobot.scenes.area import Area
from monai_cobot.scenes.scene import Scene
from monai_cobot.whole_file import whole_file

RASTER = {
    "driver": "GTiff",
    "count": 1,
    "nodata": 0,
    "tiled": True,
    "blockxsize": 256,
    "blockysize": 256,
    "compress": "deflate",
    "BIGTIFF": "IF_SAFER",
}

Paint = Callable[[Area], NDArray[np.uint32]]


@dataclass(frozen=True)
class Files:
    """Paths of a scene's results.

    Attributes:
        classes: GeoTIFF of class labels.
        instances: GeoTIFF of instance numbers.
        polygons: GeoJSON, a feature an instance.
        summary: JSON.
    """

    classes: Path
    instances: Path
    polygons: Path
    summary: Path

    @classmethod
    def of(
        cls,
        folder: str | Path,
        scene: Path,
        overwrite: bool = False,
        inputs: Sequence[str | Path] = (),
    ) -> Files:
        """The files in OUT; CobotError where one exists, is read too, or OUT is a file."""
        out = Path(folder).expanduser().resolve()
        if out.exists() and not out.is_dir():
            raise CobotError(f"OUT {out} is a file: give a folder")
        name = scene.stem
        files = cls(
            out / f"{name}_classes.tif",
            out / f"{name}_instances.tif",
            out / f"{name}.geojson",
            out / "summary.json",
        )
        read = {Path(each).expanduser().resolve() for each in (scene, *inputs)}
        for file in vars(files).values():
            if file in read:
                raise CobotError(f"{file} is read and would be replaced: give another OUT")
            if file.exists() and not overwrite:
                raise CobotError(f"{file} exists: give another OUT, or --overwrite to replace it")
        return files

    def make_folder(self) -> None:
        """Makes OUT; CobotError where that cannot be."""
        folder = self.summary.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CobotError(f"OUT {folder} cannot be made ({error}): give another") from error

    @contextmanager
    def unfinished(self) -> Iterator[Files]:
        """The same files under temporary names, which get their own if the block succeeds."""
        with ExitStack() as stack:
            yield Files(*(stack.enter_context(whole_file(file)) for file in vars(self).values()))


@contextmanager
def raster(file: Path, scene: Scene, dtype: str) -> Iterator[Any]:
    """A new GeoTIFF of one band with size, CRS and transform of the scene."""
    height, width = scene.area.shape
    frame = {"height": height, "width": width, "crs": scene.crs, "transform": scene.transform}
    with warnings.catch_warnings():  # a scene may have no georeference
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(file, "w", dtype=dtype, **frame, **RASTER) as opened:
            yield opened


def window(area: Area) -> Window:
    """An area as rasterio's window."""
    return Window(area.left, area.top, area.shape[1], area.shape[0])


def write_rasters(
    files: Files,
    scene: Scene,
    paint: Paint,
    label_of: NDArray[np.uint8],
    names: Mapping[str, int],
    progress: bool = False,
) -> None:
    """Writes class labels (uint8) and instance numbers (uint32), block by block.

    Args:
        files: gets ``classes`` and ``instances``.
        scene: gives size, CRS and transform.
        paint: gives the instance numbers (H, W) of an area.
        label_of: label of every instance number; of 0 it is 0.
        names: class to label, written into the tags of the class raster.
        progress: show a bar on stderr.
    """
    blocks = list(scene.area.blocks())
    with (
        raster(files.classes, scene, "uint8") as classes,
        raster(files.instances, scene, "uint32") as instances,
    ):
        classes.update_tags(classes=json.dumps(dict(names)))
        for area in tqdm(blocks, desc="writing", unit="block", disable=not progress):
            numbers = paint(area)
            classes.write(label_of[numbers], 1, window=window(area))
            instances.write(numbers, 1, window=window(area))
