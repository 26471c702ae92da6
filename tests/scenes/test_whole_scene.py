"""A scene of 5000 x 4000 pixels with boxes: one instance each, at the right coordinates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray

from monai_cobot.scenes import Scene, SceneModel, Settings, segment_scene
from tests.scenes.scenes import (
    METRES,
    NORTH_UP,
    ORIGIN,
    UTM,
    UTM_URN,
    BrightInBox,
    feature,
    grey,
    in_utm,
    rectangle,
    write_boxes,
    write_scene,
)

HEIGHT, WIDTH = 4000, 5000
LABELS = {"house": 1, "tank": 2}
# Tiles of 1024 with an overlap of 256 begin at 0, 768, 1536, …; these lie across such borders.
HOUSES = {
    "corner": (990, 740, 1060, 800),  # of four tiles
    "overlap": (700, 1500, 1010, 1560),  # wider than the overlap: it has a window of its own
    "inside": (4000, 3000, 4020, 3040),
    "edge": (4960, 3950, 5000, 4000),  # at the scene's end
}
LARGE = (1500, 1900, 3100, 3200)  # larger than a tile, even pixels
TANK = (2304, 768, 90)  # middle and radius, across borders; with a hole
HOLE = 30
# The large one is read at half the resolution or less: a pixel of that along its edges.
LARGE_IOU = 0.995


def disk(radius: float) -> NDArray[np.bool_]:
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return np.hypot(x - TANK[0], y - TANK[1]) < radius


@pytest.fixture(scope="module")
def truth() -> dict[str, NDArray[np.bool_]]:
    masks = {"tank": disk(TANK[2]) & ~disk(HOLE)}
    for name, (x0, y0, x1, y1) in {**HOUSES, "large": LARGE}.items():
        masks[name] = np.zeros((HEIGHT, WIDTH), bool)
        masks[name][y0:y1, x0:x1] = True
    return masks


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, truth: dict[str, Any]) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    picture = grey(np.logical_or.reduce(list(truth.values())))
    write_scene(folder / "town.tif", np.stack([picture] * 3), tiled=True, compress="deflate")
    x, y, radius = TANK
    boxes = {**HOUSES, "large": LARGE, "tank": (x - radius, y - radius, x + radius, y + radius)}
    features = [
        feature(
            rectangle(*in_utm(*box)), **{"class": "tank" if name == "tank" else "house"}, score=0.9
        )
        for name, box in boxes.items()
    ]
    write_boxes(folder / "boxes.geojson", features, UTM_URN)
    read: list[tuple[int, int]] = []
    ordinary = Scene.read

    def noted(self: Scene, area: Any, size: Any = None) -> Any:
        found = ordinary(self, area, size)
        read.append((found.shape[1], found.shape[2]))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scene, "read", noted)
        segment_scene(
            folder / "town.tif",
            folder / "out",
            LABELS,
            lambda: SceneModel(BrightInBox(), 1024),
            Settings(boxes=folder / "boxes.geojson"),
        )
    assert max(side for shape in read for side in shape) <= 1024  # never more than a tile
    return folder / "out"


@pytest.fixture(scope="module")
def features(result: Path) -> list[dict[str, Any]]:
    content = json.loads((result / "town.geojson").read_text())
    assert content["crs"]["properties"]["name"] == UTM_URN
    return content["features"]


def test_the_rasters_lie_on_the_scene(result: Path) -> None:
    for name, dtype in (("classes", "uint8"), ("instances", "uint32")):
        with rasterio.open(result / f"town_{name}.tif") as file:
            assert (file.height, file.width, file.count) == (HEIGHT, WIDTH, 1)
            assert (file.crs, file.transform, file.nodata) == (
                rasterio.CRS.from_string(UTM), NORTH_UP, 0,
            )  # fmt: skip
            assert file.dtypes == (dtype,)
            assert file.compression is not None
            assert file.profile["tiled"]
    assert not [file for file in result.iterdir() if file.name.startswith(".")]


def test_one_instance_each_pixel_by_pixel(result: Path, truth: dict[str, Any]) -> None:
    with rasterio.open(result / "town_instances.tif") as file:
        instances = file.read(1)
    with rasterio.open(result / "town_classes.tif") as file:
        classes = file.read(1)
    assert set(np.unique(instances)) == set(range(len(truth) + 1))
    for number, name in enumerate([*HOUSES, "large", "tank"], start=1):
        found = instances == number
        if name == "large":
            iou = (found & truth[name]).sum() / (found | truth[name]).sum()
            assert iou > LARGE_IOU
        else:
            assert np.array_equal(found, truth[name]), name
        assert set(classes[found]) == {2 if name == "tank" else 1}
    assert np.array_equal(classes > 0, instances > 0)


def test_polygons_are_at_their_map_coordinates(features: list[dict[str, Any]]) -> None:
    assert [f["properties"]["instance"] for f in features] == [1, 2, 3, 4, 5, 6]
    for found, box in zip(features, [*HOUSES.values(), LARGE], strict=False):
        polygon, wanted = shapely.geometry.shape(found["geometry"]), shapely.box(*in_utm(*box))
        if box is LARGE:
            common = polygon.intersection(wanted).area / polygon.union(wanted).area
            assert common > LARGE_IOU
            continue
        assert polygon.equals(wanted)
        assert len(polygon.exterior.coords) == 5  # no corners where blocks meet
        assert found["properties"]["area_m2"] == pytest.approx(wanted.area)
        assert found["properties"]["pixels"] * METRES**2 == pytest.approx(wanted.area)
        assert (found["properties"]["class"], found["properties"]["score"]) == ("house", 0.9)


def test_a_hole_stays_a_hole(features: list[dict[str, Any]], truth: dict[str, Any]) -> None:
    polygon = shapely.geometry.shape(features[5]["geometry"])
    assert polygon.is_valid
    assert polygon.geom_type == "Polygon"
    assert len(polygon.interiors) == 1
    assert polygon.exterior.is_ccw
    assert not polygon.interiors[0].is_ccw
    assert polygon.area == pytest.approx(truth["tank"].sum() * METRES**2)
    middle = shapely.Point(ORIGIN[0] + METRES * TANK[0], ORIGIN[1] - METRES * TANK[1])
    assert shapely.Polygon(polygon.exterior).centroid.distance(middle) < METRES
    assert not polygon.contains(middle)


def test_the_summary(result: Path) -> None:
    summary = json.loads((result / "summary.json").read_text())
    assert summary["instances"] == 6
    assert summary["classes"]["house"]["instances"] == 5
    assert summary["boxes"] == {
        "given": 6, "without_answer": [], "merged_away": 0, "too_small": 0,
    }  # fmt: skip
    assert (summary["tile"], summary["overlap"], summary["crs"]) == (1024, 256, UTM)
