"""Boxes on a turned scene, WGS 84 in and out, cut detections, memory, and what a stop leaves."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import torch
from numpy.typing import NDArray

from monai_cobot.errors import CobotError
from monai_cobot.scenes import Scene, SceneModel, Settings, read_boxes, segment_scene
from monai_cobot.scenes.box_answers import BOXES_AT_ONCE
from tests.scenes.scenes import (
    UTM,
    UTM_URN,
    BrightInBox,
    ClassesByBrightness,
    box_model,
    by_affine,
    feature,
    grey,
    in_utm,
    rectangle,
    turned,
    write_boxes,
    write_scene,
)

LABELS = {"house": 1}
SIDE = 300
HOUSES = [(20, 30, 50, 70), (90, 90, 140, 120), (200, 220, 290, 235)]
MICROMETRE = 1e-6


def mask(*boxes: tuple[int, int, int, int], side: int = SIDE) -> NDArray[np.bool_]:
    found = np.zeros((side, side), bool)
    for x0, y0, x1, y1 in boxes:
        found[y0:y1, x0:x1] = True
    return found


def run(folder: Path, boxes: Path, overwrite: bool = False, **settings: Any) -> dict[str, Any]:
    return segment_scene(
        folder / "a.tif",
        folder / "out",
        LABELS,
        lambda: box_model(128),
        Settings(boxes=boxes, **settings),
        overwrite,
    )


def polygons(folder: Path) -> list[Any]:
    content = json.loads((folder / "out" / "a.geojson").read_text())
    return [shapely.geometry.shape(f["geometry"]) for f in content["features"]]


def instances(folder: Path) -> NDArray[np.uint32]:
    with rasterio.open(folder / "out" / "a_instances.tif") as file:
        found: NDArray[np.uint32] = file.read(1)
        return found


@pytest.fixture
def town(tmp_path: Path) -> Path:
    write_scene(tmp_path / "a.tif", grey(mask(*HOUSES)))
    features = [feature(rectangle(*in_utm(*box)), score=0.5) for box in HOUSES]
    return write_boxes(tmp_path / "boxes.json", features, UTM_URN)


def test_a_turned_scene(tmp_path: Path) -> None:
    transform = turned(25)
    write_scene(tmp_path / "a.tif", grey(mask(*HOUSES)), transform=transform)
    outlines = []
    for x0, y0, x1, y1 in HOUSES:
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        outlines.append(shapely.Polygon([by_affine(transform, *corner) for corner in corners]))
    features = [feature(shapely.geometry.mapping(outline)) for outline in outlines]
    run(tmp_path, write_boxes(tmp_path / "boxes.json", features, UTM))
    for found, wanted in zip(polygons(tmp_path), outlines, strict=True):
        assert found.symmetric_difference(wanted).area < MICROMETRE
        assert found.area == pytest.approx(wanted.area)
        assert found.exterior.is_ccw
    with rasterio.open(tmp_path / "out" / "a_classes.tif") as file:
        assert file.transform == transform
        assert np.array_equal(file.read(1) == 1, mask(*HOUSES))


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32633", "EPSG:3857", "ESRI:54009", None])
def test_results_are_boxes_again(tmp_path: Path, crs: str | None) -> None:
    """In any CRS, the crs member that is written is understood."""
    step = 1e-5 if crs == "EPSG:4326" else 1.0
    transform = rasterio.Affine(step, 0, 15 * step, 0, -step, 50 * step)
    write_scene(tmp_path / "a.tif", grey(mask(*HOUSES)), crs, transform)
    entries = [
        {"image_id": 1, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        for x0, y0, x1, y1 in HOUSES
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(entries))
    run(tmp_path, tmp_path / "boxes.json")
    with Scene(tmp_path / "a.tif") as scene:
        again = read_boxes(tmp_path / "out" / "a.geojson", scene, LABELS)
    written = json.loads((tmp_path / "out" / "a.geojson").read_text()).get("crs")
    if crs == "EPSG:4326":  # its own order is latitude first, GeoJSON's is not
        assert written["properties"]["name"] == "urn:ogc:def:crs:OGC:1.3:CRS84"
    for found, wanted in zip(again, HOUSES, strict=True):
        assert found.box == pytest.approx(wanted, abs=1e-6)


class WholeObject(BrightInBox):
    """Answers a box with everything bright in the tile, as SAM does with a part of an object."""

    def __call__(self, image: torch.Tensor, boxes: list[torch.Tensor]) -> torch.Tensor:
        everywhere = torch.tensor([[0.0, 0.0, image.shape[-1], image.shape[-2]]])
        return super().__call__(image, [everywhere.expand(len(boxes[0]), 4)])


def test_a_detection_that_was_cut_is_one_instance(tmp_path: Path) -> None:
    """An object of 100 pixels, which a detector's tiles have cut at 150: two boxes, two tiles."""
    long = (90, 100, 190, 130)
    write_scene(tmp_path / "a.tif", grey(mask(long)))
    cut = [(90, 100, 150, 130), (150, 100, 190, 130), (90, 100, 150, 130)]
    features = [feature(rectangle(*in_utm(*b)), score=s) for b, s in zip(cut, (1, 2, 3))]  # noqa: B905
    boxes = write_boxes(tmp_path / "boxes.json", features, UTM)

    def segment(**settings: Any) -> dict[str, Any]:
        return segment_scene(
            tmp_path / "a.tif",
            tmp_path / "out",
            LABELS,
            lambda: SceneModel(WholeObject(), 128),
            Settings(boxes=boxes, **settings),
            overwrite=True,
        )

    summary = segment(overlap=100)
    assert (summary["instances"], summary["boxes"]["merged_away"]) == (1, 2)
    assert polygons(tmp_path)[0].equals(shapely.box(*in_utm(*long)))
    assert json.loads((tmp_path / "out" / "a.geojson").read_text())["features"][0]["properties"][
        "score"
    ] == 3  # fmt: skip
    assert segment(overlap=100, merge=None)["instances"] == 3
    # Exact boxes of the two halves have no pixel in common: nothing says that they are one.
    run(tmp_path, boxes, overwrite=True, overlap=100)
    assert len(polygons(tmp_path)) == 2


def test_smaller_instances_are_on_top_and_polygons_are_whole(tmp_path: Path) -> None:
    large, small = (20, 20, 100, 100), (40, 40, 60, 60)
    write_scene(tmp_path / "a.tif", grey(mask(large)))
    features = [feature(rectangle(*in_utm(*box))) for box in (small, large)]
    run(tmp_path, write_boxes(tmp_path / "boxes.json", features, UTM), merge=None)
    assert (instances(tmp_path) == 1).sum() == 400
    assert (instances(tmp_path) == 2).sum() == 6000
    assert [found.area for found in polygons(tmp_path)] == [100, 1600]  # pixels of 0.25 m2


def test_boxes_of_a_tile_go_through_together(tmp_path: Path, town: Path) -> None:
    network = BrightInBox()
    count = BOXES_AT_ONCE + 3
    content = json.loads(town.read_text())
    content["features"] = content["features"][:1] * count
    town.write_text(json.dumps(content))
    segment_scene(
        tmp_path / "a.tif", tmp_path / "out", LABELS, lambda: SceneModel(network, 512),
        Settings(boxes=town),
    )  # fmt: skip
    assert sum(network.calls) == count
    assert len(polygons(tmp_path)) == 1


def test_boxes_without_an_answer_and_small_ones_are_counted(tmp_path: Path, town: Path) -> None:
    write_scene(tmp_path / "a.tif", grey(mask(*HOUSES[1:])))
    summary = run(tmp_path, town, min_area=1400)
    assert summary["boxes"]["without_answer"] == [f"feature 0 of {town}"]
    assert summary["boxes"]["too_small"] == 1  # the last has 1350 pixels
    assert np.array_equal(instances(tmp_path) == 1, mask(HOUSES[1]))


class FillsBox(BrightInBox):
    """Answers a box with all of it."""

    def __call__(self, image: torch.Tensor, boxes: list[torch.Tensor]) -> torch.Tensor:
        return super().__call__(torch.full_like(image, 2.0), boxes)


def test_nothing_is_found_where_there_are_no_data(tmp_path: Path, town: Path) -> None:
    picture = grey(mask(*HOUSES)).astype(np.uint16) * 100
    picture[:, 100:110] = 0
    write_scene(tmp_path / "a.tif", picture, nodata=0)
    segment_scene(
        tmp_path / "a.tif", tmp_path / "out", LABELS, lambda: SceneModel(FillsBox(), 128),
        Settings(boxes=town),
    )  # fmt: skip
    wanted = mask(*HOUSES)
    wanted[:, 100:110] = False
    assert np.array_equal(instances(tmp_path) > 0, wanted)
    assert polygons(tmp_path)[1].geom_type == "MultiPolygon"


def test_outlines_of_a_plain_picture_are_in_its_pixels(tmp_path: Path) -> None:
    """Rows count downwards there; outer rings run counterclockwise in x and y all the same."""
    write_scene(tmp_path / "a.tif", grey(mask(*HOUSES)), None, rasterio.Affine.identity())
    features = [feature(rectangle(*box)) for box in HOUSES]
    run(tmp_path, write_boxes(tmp_path / "boxes.json", features))
    for found, box in zip(polygons(tmp_path), HOUSES, strict=True):
        assert found.equals(shapely.box(*box))
        assert found.exterior.is_ccw
    content = json.loads((tmp_path / "out" / "a.geojson").read_text())
    assert "crs" not in content
    assert "area_m2" not in content["features"][0]["properties"]


@pytest.mark.parametrize("kind", ["boxes", "classes"])
def test_memory_does_not_grow_with_the_scene(tmp_path: Path, kind: str) -> None:
    """Four times the width: the same peak of what NumPy and Python hold.

    Two lines of the width, of classes and numbers, are all that grows: 36 bytes a column.
    """
    peaks = []
    for width in (2048, 8192):
        folder = tmp_path / str(width)
        folder.mkdir()
        picture = np.full((1200, width), 50, np.uint8)
        picture[200:260, 100 : width - 100] = 220
        write_scene(folder / "a.tif", picture, tiled=True)
        box = {"image_id": 1, "category_id": 1, "bbox": [100, 200, width - 200, 60]}
        (folder / "boxes.json").write_text(json.dumps([box]))
        settings = Settings(tile=256, boxes=folder / "boxes.json" if kind == "boxes" else None)
        tracemalloc.start()
        segment_scene(
            folder / "a.tif",
            folder / "out",
            {"house": 1, "pond": 2},
            lambda: SceneModel(
                BrightInBox() if kind == "boxes" else ClassesByBrightness(), 256, kind == "classes"
            ),
            settings,
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(polygons(folder)) == 1
    assert peaks[1] < 1.15 * peaks[0], peaks


def test_results_are_not_replaced_unasked(tmp_path: Path, town: Path) -> None:
    run(tmp_path, town)
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert set(before) == {"a_classes.tif", "a_instances.tif", "a.geojson", "summary.json"}
    with pytest.raises(CobotError, match=r"a_classes\.tif exists: give another OUT, or --overwr"):
        run(tmp_path, town)
    write_scene(tmp_path / "a.tif", grey(mask(HOUSES[0])))
    run(tmp_path, town, overwrite=True)
    assert len(polygons(tmp_path)) == 1
    with pytest.raises(CobotError, match="is a file: give a folder"):
        segment_scene(tmp_path / "a.tif", town, LABELS, box_model, Settings(boxes=town))


@pytest.mark.parametrize("where", ["answer_boxes", "write_geojson"])
def test_a_stop_leaves_no_half_files(
    tmp_path: Path, town: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, town)
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"monai_cobot.scenes.run.{where}", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, town, overwrite=True, tile=64)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"merge": 1.0}, "merge overlap 1: give a share"),
        ({"min_area": -1}, "min area -1"),
        ({"tile": 64, "overlap": 64}, "overlap 64: give 0 to 63"),
    ],
)
def test_bad_settings(tmp_path: Path, town: Path, settings: Any, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        run(tmp_path, town, **settings)
    with pytest.raises(CobotError, match="raster of classes holds 1 to 255"):
        segment_scene(tmp_path / "a.tif", tmp_path / "out", {"house": 256}, box_model)
    with pytest.raises(CobotError, match="--boxes-crs is of --boxes"):
        Settings(boxes_crs=UTM)
    assert not (tmp_path / "out").exists()
