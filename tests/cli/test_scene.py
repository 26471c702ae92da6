"""``monai-cobot scene`` on the command line, with the SAM that comes with the package."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from typer.testing import CliRunner

from monai_cobot.cli import app
from monai_cobot.errors import CobotError
from monai_cobot.sam import build_adapted_sam, make_manifest, save_adapter
from tests.bundle.conftest import ADOME, BRAST
from tests.scenes.scenes import NORTH_UP, UTM_URN, in_utm, rectangle, write_boxes, write_scene

RUNNER = CliRunner()
SIZE = (300, 420)
DISKS = [(90, 100, 30), (250, 200, 45), (340, 60, 25)]  # x, y, radius; the second across tiles
# The small SAM on bright disks on dark ground, in their boxes: it was trained on drawings.
LEAST_IOU = 0.8


def disk(x: int, y: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return np.asarray(np.hypot(columns - x, rows - y) < radius)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    picture = np.full(SIZE, 40, np.uint8)
    for x, y, radius in DISKS:
        picture[disk(x, y, radius)] = 210
    noise = np.random.default_rng(0).normal(0, 4, (3, *SIZE))
    write_scene(tmp_path / "a.tif", np.clip(picture + noise, 0, 255).astype(np.uint8))
    table = {"modality": "RGB", "organs": {"tank": 5, "pond": 6}}
    (tmp_path / "classes.json").write_text(json.dumps(table))
    features = [
        {
            "type": "Feature",
            "properties": {"class": "tank"},
            "geometry": rectangle(*in_utm(x - radius, y - radius, x + radius, y + radius)),
        }
        for x, y, radius in DISKS
    ]
    write_boxes(tmp_path / "boxes.geojson", features, UTM_URN)
    return [
        *("scene", str(tmp_path / "a.tif"), str(tmp_path / "out"), "--bundle", str(BRAST)),
        *("--organ-table", str(tmp_path / "classes.json"), "--device", "cpu"),
    ]


def test_zero_shot_with_boxes(arguments: list[str], tmp_path: Path) -> None:
    boxes = ["--boxes", str(tmp_path / "boxes.geojson")]
    result = RUNNER.invoke(app, [*arguments, "--sam", "small", *boxes])
    assert result.exit_code == 0, result.output
    assert "3 boxes, 0 without an answer, 0 merged" in result.output
    assert "tank: 3 instances" in result.output
    features = json.loads((tmp_path / "out" / "a.geojson").read_text())["features"]
    with rasterio.open(tmp_path / "out" / "a_classes.tif") as file:
        assert set(np.unique(file.read(1))) == {0, 5}
        assert file.transform == NORTH_UP
    for found, (x, y, radius) in zip(features, DISKS, strict=True):
        assert 0.5 < found["properties"]["quality"] <= 1.1  # SAM's head is not bounded by 1
        centre = in_utm(x, y, x, y)[:2]
        wanted = shapely.Point(centre).buffer(radius / 2)  # metres of half a pixel
        polygon = shapely.geometry.shape(found["geometry"])
        assert polygon.intersection(wanted).area / polygon.union(wanted).area > LEAST_IOU
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["tile"] == 256
    assert summary["made_with"]["adapter"] is None
    assert summary["made_with"]["base"]["sam"] == "small"
    with pytest.raises(CobotError, match=r"a_classes\.tif exists"):
        RUNNER.invoke(app, [*arguments, "--sam", "small", *boxes], catch_exceptions=False)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """What a training with learned organ prompts leaves, after no step."""
    model = build_adapted_sam("small", "random", 64, prompts="both", organs=2)
    manifest = make_manifest(
        model,
        preprocessing={"modality": "RGB", "window": [0.0, 255.0]},
        organs={"tank": 5, "pond": 6},
    )
    save_adapter(model, tmp_path / "adapter.safetensors", manifest)
    return tmp_path / "adapter.safetensors"


def test_an_adapter_with_and_without_boxes(
    arguments: list[str], tmp_path: Path, adapter: Path
) -> None:
    trained = ["--adapter", str(adapter), "--tile", "128", "--bands", "3,2,1"]
    result = RUNNER.invoke(app, [*arguments, *trained], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["made_with"]["prompts"] == "learned organ prompts"
    assert len(summary["made_with"]["adapter_sha256"]) == 64
    assert (summary["bands"], summary["overlap"]) == ([3, 2, 1], 32)
    with rasterio.open(tmp_path / "out" / "a_instances.tif") as file:
        assert file.read(1).max() == summary["instances"]
    boxes = ["--boxes", str(tmp_path / "boxes.geojson"), "--overwrite", "--no-merge"]
    result = RUNNER.invoke(app, [*arguments, *trained, *boxes], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["made_with"]["prompts"] == "boxes of a file"
    assert summary["merge_overlap"] is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--sam", "small"], "this network finds nothing by itself: give --boxes FILE"),
        ([], "has no adapter of its own"),
        (["--sam", "small", "--bands", "red"], "--bands red: give numbers with commas, as 4,3,2"),
        (["--sam", "small", "--stretch", "2"], "--stretch 2: give two percentiles"),
        (["--sam", "small", "--adapter", "x"], "give --sam or --adapter"),
        (["--sam", "vit_b"], "vit_b needs weights"),
    ],
)
def test_refusals(arguments: list[str], tmp_path: Path, more: list[str], message: str) -> None:
    with pytest.raises(CobotError, match=message):
        RUNNER.invoke(app, [*arguments, *more], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


def test_a_bundle_of_volumes_is_refused(arguments: list[str]) -> None:
    volumes = [str(ADOME) if part == str(BRAST) else part for part in arguments[:5]]
    with pytest.raises(CobotError, match="segments volumes, and a scene is a picture"):
        RUNNER.invoke(app, [*volumes, "--sam", "small"], catch_exceptions=False)


def test_without_the_extra(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.startswith("monai_cobot.scenes"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("monai_cobot.scenes", raising=False)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(CobotError, match=r"pip install 'monai-cobot\[scenes\]'"):
        RUNNER.invoke(app, arguments, catch_exceptions=False)


def test_ctrl_c(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("monai_cobot.scenes.run.answer_boxes", stopped)
    boxes = ["--boxes", str(tmp_path / "boxes.geojson"), "--sam", "small"]
    result = RUNNER.invoke(app, [*arguments, *boxes])
    assert result.exit_code == 130
    assert "nothing was written" in result.output
    assert [*(tmp_path / "out").iterdir()] == []
