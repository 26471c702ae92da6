"""Boxes of a GeoJSON or of COCO results, in the scene's pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform_geom

from monai_cobot.errors import CobotError
from monai_cobot.scenes import Scene, SceneBox, read_boxes
from tests.scenes.scenes import (
    UTM,
    UTM_URN,
    by_affine,
    feature,
    in_utm,
    rectangle,
    turned,
    write_boxes,
    write_scene,
)

LABELS = {"house": 1, "tank": 4}
BOX = (30.0, 10.0, 90.0, 50.0)
# Longitude and latitude with 15 decimals: less than a micrometre; the edges of a box of 30 m bend
# by less than that, too. A thousandth of a pixel is half a millimetre.
PIXELS = 1e-3
BY_HAND = 1e-6  # pixels of coordinates of millions of metres


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(write_scene(tmp_path / "a.tif", np.zeros((100, 200), np.uint8)))


def read(scene: Scene, path: Path, **options: Any) -> list[SceneBox]:
    return read_boxes(path, scene, LABELS, **options)


def house(geometry: Any, **properties: Any) -> dict[str, Any]:
    return feature(geometry, **{"class": "house", **properties})


def test_geojson_is_wgs_84_where_it_does_not_say_otherwise(scene: Scene, tmp_path: Path) -> None:
    there = transform_geom(UTM, "OGC:CRS84", rectangle(*in_utm(*BOX)), precision=15)
    found = read(scene, write_boxes(tmp_path / "b.json", [house(there, score=0.25)]))
    assert found[0].box == pytest.approx(BOX, abs=PIXELS)
    assert (found[0].label, found[0].score) == (1, 0.25)


@pytest.mark.parametrize("name", [UTM_URN, UTM])
def test_the_old_crs_member_and_the_option(scene: Scene, tmp_path: Path, name: str) -> None:
    features = [house(rectangle(*in_utm(*BOX))), feature(rectangle(*in_utm(*BOX)), organ="tank")]
    found = read(scene, write_boxes(tmp_path / "b.json", features, name))
    assert found[0].box == pytest.approx(BOX, abs=BY_HAND)
    assert [box.label for box in found] == [1, 4]
    told = read(scene, write_boxes(tmp_path / "b.json", features), crs=UTM)
    assert told == found
    other = transform_geom(UTM, "EPSG:32634", rectangle(*in_utm(*BOX)))
    moved = read(scene, write_boxes(tmp_path / "b.json", [house(other)]), crs="EPSG:32634")
    assert moved[0].box == pytest.approx(BOX, abs=0.1)  # its box has turned by six degrees
    wider = moved[0].box
    assert wider[0] <= BOX[0] + PIXELS
    assert wider[2] >= BOX[2] - PIXELS


def test_boxes_of_a_rotated_scene_are_the_bounds_in_its_pixels(tmp_path: Path) -> None:
    transform = turned(45)
    path = write_scene(tmp_path / "r.tif", np.zeros((100, 200), np.uint8), transform=transform)
    x0, y0, x1, y1 = BOX
    corners = [by_affine(transform, *corner) for corner in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    polygon = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
    found = read(Scene(path), write_boxes(tmp_path / "b.json", [house(polygon)], UTM))
    assert found[0].box == pytest.approx(BOX, abs=BY_HAND)


def test_multipolygons_and_pixels_of_a_scene_without_crs(tmp_path: Path) -> None:
    path = write_scene(
        tmp_path / "p.tif", np.zeros((60, 70), np.uint8), None, rasterio.Affine.identity()
    )
    several = {
        "type": "MultiPolygon",
        "coordinates": [rectangle(*b)["coordinates"] for b in ((1, 2, 3, 4), (10, 1, 20, 3.5))],
    }
    scene = Scene(path)
    found = read(scene, write_boxes(tmp_path / "b.json", [house(several)]))
    assert found[0].box == (1, 1, 20, 4)
    with pytest.raises(CobotError, match=r"have the CRS EPSG:32633, and .* has none"):
        read(scene, tmp_path / "b.json", crs=UTM)


def test_coco_results(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    entries = [
        {"image_id": 1, "category_id": 4, "bbox": [10, 20, 30, 5.5], "score": 0.5},
        {"image_id": 1, "category_id": 1, "bbox": [190, 90, 20, 20], "score": 1},
    ]
    file.write_text(json.dumps(entries))
    found = read(scene, file)
    assert [(box.box, box.label, box.score) for box in found] == [
        ((10, 20, 40, 25.5), 4, 0.5), ((190, 90, 200, 100), 1, 1.0),
    ]  # fmt: skip
    assert scene.notes == ["1 boxes reach beyond the scene and are cut at its border"]
    entries[1]["image_id"] = 2
    file.write_text(json.dumps(entries))
    with pytest.raises(CobotError, match="boxes of 2 pictures"):
        read(scene, file)


def test_the_only_class_needs_no_name(scene: Scene, tmp_path: Path) -> None:
    file = write_boxes(tmp_path / "b.json", [feature(rectangle(*in_utm(*BOX)))], UTM)
    assert read_boxes(file, scene, {"house": 9})[0].label == 9


@pytest.mark.parametrize(
    ("features", "crs", "message"),
    [
        ([], UTM, "holds no boxes"),
        (
            [house(rectangle(*in_utm(*BOX)))],
            None,
            "boxes of .* cannot be brought to the scene's CRS EPSG:32633",
        ),
        ([house(rectangle(*in_utm(300, 0, 310, 9)))], UTM, "1 of 1 boxes are so: check the boxes"),
        ([house({"type": "Point", "coordinates": [1, 2]})], UTM, "feature 0 of .* is a Point"),
        ([house({"type": "Polygon", "coordinates": []})], UTM, "is a Polygon without points"),
        ([house(None)], UTM, "feature 0 of .* has no geometry that can be read"),
        ([house(rectangle(*in_utm(*BOX)))], "EPSG:1", "the CRS 'EPSG:1' of .* is not known"),
        ([feature(rectangle(*in_utm(*BOX)))], UTM, r"unknown class None: known are house \(1\)"),
        ([feature(rectangle(*in_utm(*BOX)), organ="ship")], UTM, "unknown class 'ship'"),
        ([house(rectangle(*in_utm(*BOX)), score="high")], UTM, "has the score 'high'"),
    ],
)
def test_boxes_that_cannot_be_used(
    scene: Scene, tmp_path: Path, features: list[Any], crs: str | None, message: str
) -> None:
    with pytest.raises(CobotError, match=message):
        read(scene, write_boxes(tmp_path / "b.json", features, crs))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not readable as JSON"),
        ('{"type": "Feature"}', "neither a GeoJSON FeatureCollection nor a list of COCO"),
        ('[{"bbox": [1, 2, 3]}]', r"entry 0 of .* has the bbox \[1, 2, 3\]"),
        ('[{"bbox": [1, 2, 3, 4], "category_id": 2}]', "unknown class 2"),
        ('{"type": "FeatureCollection"}', "has no list of features"),
        ('{"type": "FeatureCollection", "features": [], "crs": 3}', "a crs member without a name"),
    ],
)
def test_files_that_cannot_be_used(scene: Scene, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(CobotError, match=message):
        read(scene, tmp_path / "b.json")
    with pytest.raises(CobotError, match=r"c\.json does not exist"):
        read(scene, tmp_path / "c.json")
