"""Reading a raster as bytes: bands, depths, nodata, georeference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp

from monai_cobot.errors import CobotError
from monai_cobot.scenes import Scene
from monai_cobot.scenes.area import Area
from tests.scenes.scenes import by_affine, turned, write_scene

AREA = Area(2, 3, 12, 18)


def values(bands: int, dtype: str = "uint8", high: int = 255) -> NDArray[np.generic]:
    return np.random.default_rng(0).integers(1, high, (bands, 20, 30)).astype(dtype)


def test_bytes_stay_and_the_first_three_bands_are_taken(tmp_path: Path) -> None:
    stored = values(5)
    scene = Scene(write_scene(tmp_path / "a.tif", stored))
    assert scene.bands == [1, 2, 3]
    assert "of 5 bands [1, 2, 3] are taken" in scene.notes[0]
    assert torch.equal(scene.read(AREA), torch.from_numpy(stored[:3, 2:12, 3:18]))
    chosen = Scene(tmp_path / "a.tif", [4, 3, 2])
    assert torch.equal(chosen.read(AREA), torch.from_numpy(stored[[3, 2, 1], 2:12, 3:18]))
    assert chosen.notes == []
    one = Scene(tmp_path / "a.tif", [5])
    assert torch.equal(one.read(AREA), torch.from_numpy(stored[4:, 2:12, 3:18]))


def test_alpha_is_no_colour_but_says_where_data_are(tmp_path: Path) -> None:
    stored = values(4)
    stored[3] = 255
    stored[3, 5] = 0
    path = write_scene(tmp_path / "a.tif", stored)
    with rasterio.open(path, "r+") as file:
        colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
        file.colorinterp = colours
    scene = Scene(path)
    assert (scene.bands, scene.notes) == ([1, 2, 3], [])
    valid = scene.valid(scene.area)
    assert not valid[5].any()
    assert valid.sum() == 19 * 30
    assert scene.read(scene.area)[:, 5].max() == 0


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_deeper_values_are_stretched_by_percentiles_of_the_scene(
    tmp_path: Path, dtype: str
) -> None:
    stored = values(3, dtype, 9000)
    stored[:, :4] = -1 if dtype != "uint16" else 0
    path = write_scene(tmp_path / "a.tif", stored, nodata=stored[0, 0, 0].item())
    scene = Scene(path, stretch=(5, 90))
    whole = []
    for band in stored.astype(float):
        low, high = np.percentile(band[4:], [5, 90])
        whole.append(np.rint(np.clip((band - low) / (high - low), 0, 1) * 255))
    wanted = np.stack(whole)
    wanted[:, :4] = 0
    found = scene.read(scene.area).numpy()
    # float32 may round a value on the other side of a half.
    assert np.abs(found - wanted).max() <= 1
    assert (found == wanted).mean() > 0.99
    assert torch.equal(scene.read(AREA), torch.from_numpy(found[:, 2:12, 3:18]))  # in all tiles
    assert not scene.valid(scene.area)[:4].any()
    default = Scene(path)
    assert default.stretch is not None
    assert default.stretch.low[0] == pytest.approx(np.percentile(stored[0, 4:], 2))
    assert Scene(path).read(AREA).dtype == torch.uint8


def test_nan_and_infinity_are_no_data(tmp_path: Path) -> None:
    stored = values(1, "float32", 100)
    stored[0, 3, 4], stored[0, 6, 7] = np.nan, np.inf
    scene = Scene(write_scene(tmp_path / "a.tif", stored))
    assert np.argwhere(~scene.valid(scene.area)).tolist() == [[3, 4], [6, 7]]
    assert scene.read(scene.area)[0, 6, 7] == 0


def test_one_value_in_most_pixels_is_stretched_to_the_extremes(tmp_path: Path) -> None:
    stored = np.full((1, 20, 30), 1000, np.uint16)
    stored[0, 0, :2] = 500, 1500
    found = Scene(write_scene(tmp_path / "a.tif", stored)).read(Area(0, 0, 1, 3))
    assert found.tolist() == [[[0, 255, 128]]]
    stored[:] = 7
    constant = Scene(write_scene(tmp_path / "a.tif", stored))
    assert constant.read(constant.area).max() == 0


def test_a_smaller_reading_is_an_average(tmp_path: Path) -> None:
    stored = values(1)
    scene = Scene(write_scene(tmp_path / "a.tif", stored))
    found = scene.read(Area(0, 0, 20, 30), (5, 6))
    wanted = stored[0].reshape(5, 4, 6, 5).mean(axis=(1, 3))
    assert np.abs(found[0].numpy() - wanted).max() <= 0.5 + 1e-6  # rounded


def test_pixels_and_the_map(tmp_path: Path) -> None:
    transform = turned(30)
    scene = Scene(write_scene(tmp_path / "a.tif", values(1), transform=transform))
    points = np.array([[0.0, 0.0], [30, 20]])
    by_hand = [[transform.c, transform.f], by_affine(transform, 30, 20)]
    assert scene.to_map(points) == pytest.approx(np.array(by_hand))
    # The inverse of coordinates of millions: micrometres are lost.
    assert scene.to_pixels(scene.to_map(points)) == pytest.approx(points, abs=1e-6)
    assert scene.pixel_m2() == pytest.approx(0.25)
    feet = Scene(write_scene(tmp_path / "f.tif", values(1), crs="EPSG:2263"))  # US survey feet
    assert feet.pixel_m2() == pytest.approx(0.25 * (1200 / 3937) ** 2)
    degrees = Scene(write_scene(tmp_path / "d.tif", values(1), crs="EPSG:4326"))
    assert degrees.pixel_m2() is None


def test_a_plain_picture_has_pixel_coordinates(tmp_path: Path) -> None:
    stored = values(3)
    Image.fromarray(np.moveaxis(stored, 0, 2)).save(tmp_path / "a.png")
    scene = Scene(tmp_path / "a.png")
    assert torch.equal(scene.read(scene.area), torch.from_numpy(stored))
    assert scene.to_map(np.array([[3.0, 4.0]])).tolist() == [[3, 4]]
    assert scene.notes == ["the scene has no CRS: the results are in pixels"]


def test_bad_scenes(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", values(4))
    for bands, message in (([7], "a.tif has no band 7: choose among 1 to 4"), ([1, 2], "one band")):
        with pytest.raises(CobotError, match=message):
            Scene(path, bands)
    with pytest.raises(CobotError, match="stretch 98,2: give two ascending percentiles"):
        Scene(path, stretch=(98, 2))
    with pytest.raises(CobotError, match=r"b\.tif is not readable as a raster"):
        Scene(tmp_path / "b.tif")
    write_scene(tmp_path / "c.tif", values(1).astype(np.complex64))
    with pytest.raises(CobotError, match="is complex"):
        Scene(tmp_path / "c.tif")
    write_scene(tmp_path / "n.tif", np.zeros((5, 5), np.uint16), nodata=0)
    with pytest.raises(CobotError, match=r"n\.tif has no valid pixels in bands \[1\]"):
        Scene(tmp_path / "n.tif")
    palette = Image.fromarray(values(1)[0]).convert("P")
    palette.putpalette(list(range(256)) * 3)
    palette.save(tmp_path / "p.png")
    with pytest.raises(CobotError, match="holds numbers of a palette: expand it first"):
        Scene(tmp_path / "p.png")


def test_a_damaged_file(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", values(1).repeat(20, 1), compress="deflate")
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 400] = bytes(400)
    path.write_bytes(content)
    scene = Scene(path)
    with pytest.raises(CobotError, match=r"a\.tif cannot be read at rows 0 to 400"):
        scene.read(scene.area)
