"""Learned organ prompts over a scene: no seams, components across tiles, nothing where no data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import torch
from numpy.typing import NDArray

from monai_cobot.errors import CobotError
from monai_cobot.scenes import SceneModel, Settings, segment_scene
from monai_cobot.scenes.area import BLOCK
from monai_cobot.scenes.blending import border_weights
from tests.scenes.scenes import ClassesByBrightness, box_model, in_utm, write_scene

LABELS = {"field": 3, "water": 7}
FIELD, WATER, DARK = 150, 220, 50
BLIND = 6  # less than half of the overlap: some tile sees every pixel well
SETTINGS = Settings(tile=128, overlap=32)


def model(blind: int = 0) -> SceneModel:
    return SceneModel(ClassesByBrightness(blind), 128, finds_classes=True)


def run(folder: Path, picture: NDArray[Any], settings: Settings = SETTINGS, blind: int = 0) -> Path:
    write_scene(folder / "a.tif", picture)
    segment_scene(folder / "a.tif", folder / "out", LABELS, lambda: model(blind), settings)
    return folder / "out"


def raster(out: Path, name: str) -> NDArray[Any]:
    with rasterio.open(out / f"a_{name}.tif") as file:
        found: NDArray[Any] = file.read(1)
        return found


def test_objects_across_many_tiles(tmp_path: Path) -> None:
    width = BLOCK + 300  # across a block of the output, too
    picture = np.full((400, width), DARK, np.uint8)
    picture[100:130, 20 : width - 20] = FIELD  # across all tiles of a row
    picture[50:380, 600:640] = WATER  # cuts it in two
    picture[300:302, 50:53] = FIELD
    out = run(tmp_path, picture, blind=BLIND)
    classes, instances = raster(out, "classes"), raster(out, "instances")
    wanted = np.where(picture == FIELD, 3, np.where(picture == WATER, 7, 0))
    assert np.array_equal(classes, wanted)
    features = json.loads((out / "a.geojson").read_text())["features"]
    boxes = {
        ("field", 30 * 580): (20, 100, 600, 130),
        ("field", 30 * (width - 660)): (640, 100, width - 20, 130),
        ("water", 330 * 40): (600, 50, 640, 380),
        ("field", 6): (50, 300, 53, 302),
    }
    assert len(features) == len(boxes)
    for found in features:
        of = found["properties"]
        polygon = shapely.geometry.shape(found["geometry"])
        assert polygon.equals(shapely.box(*in_utm(*boxes[of["class"], of["pixels"]])))
        assert (instances == of["instance"]).sum() == of["pixels"]
        assert (of["score"], of["quality"]) == (None, None)


def test_tiles_without_overlap_show_their_borders(tmp_path: Path) -> None:
    """What the blending is for: the same network, blind at its border, without it."""
    picture = np.full((256, 256), FIELD, np.uint8)
    apart = run(tmp_path, picture, Settings(tile=128, overlap=0), BLIND)
    assert (raster(apart, "classes")[:, 128 - BLIND : 128 + BLIND] == 0).all()
    assert len(json.loads((apart / "a.geojson").read_text())["features"]) == 4


def test_small_components_are_dropped(tmp_path: Path) -> None:
    picture = np.full((100, 100), DARK, np.uint8)
    picture[10:20, 10:20], picture[50:53, 50:53] = FIELD, WATER
    out = run(tmp_path, picture, Settings(tile=64, min_area=10))
    assert set(np.unique(raster(out, "classes"))) == {0, 3}
    assert raster(out, "instances").max() == 1
    assert json.loads((out / "summary.json").read_text())["classes"] == {
        "field": {"instances": 1, "pixels": 100}
    }


def test_a_ring_is_a_polygon_with_a_hole(tmp_path: Path) -> None:
    picture = np.full((200, 200), DARK, np.uint8)
    picture[40:160, 40:160] = FIELD
    picture[80:120, 80:120] = DARK
    picture[90:100, 90:100] = WATER
    out = run(tmp_path, picture)
    ring, pond = json.loads((out / "a.geojson").read_text())["features"]
    wanted = shapely.box(*in_utm(40, 40, 160, 160)) - shapely.box(*in_utm(80, 80, 120, 120))
    assert shapely.geometry.shape(ring["geometry"]).equals(wanted)
    assert shapely.geometry.shape(pond["geometry"]).equals(shapely.box(*in_utm(90, 90, 100, 100)))


class Everywhere:
    """Finds the first class in every pixel."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        side = image.shape[-1]
        return torch.tensor([1.0, -1.0])[None, :, None, None].expand(1, 2, side, side)


def test_nothing_is_found_where_there_are_no_data(tmp_path: Path) -> None:
    picture = np.full((90, 90), FIELD, np.uint8)
    picture[:, 40:50] = WATER
    write_scene(tmp_path / "a.tif", picture, nodata=WATER)
    segment_scene(
        tmp_path / "a.tif", tmp_path / "out", LABELS,
        lambda: SceneModel(Everywhere(), 64, finds_classes=True),
    )  # fmt: skip
    classes = raster(tmp_path / "out", "classes")
    assert set(np.unique(classes[:, 40:50])) == {0}
    assert set(np.unique(np.delete(classes, range(40, 50), axis=1))) == {3}
    features = json.loads((tmp_path / "out" / "a.geojson").read_text())["features"]
    assert len(features) == 2


def test_an_empty_scene_has_no_features(tmp_path: Path) -> None:
    out = run(tmp_path, np.full((70, 70), DARK, np.uint8))
    assert json.loads((out / "a.geojson").read_text())["features"] == []
    assert raster(out, "instances").max() == 0


def test_a_network_that_needs_boxes(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", np.zeros((9, 9), np.uint8))
    with pytest.raises(CobotError, match="finds nothing by itself: give --boxes FILE"):
        segment_scene(tmp_path / "a.tif", tmp_path / "out", LABELS, box_model)
    assert not (tmp_path / "out").exists()


def test_weights_fall_towards_the_border() -> None:
    assert border_weights(8, 3).tolist() == [0.5, 1.5, 2.5, 3, 3, 2.5, 1.5, 0.5]
    assert set(border_weights(5, 0)) == {0.5}
