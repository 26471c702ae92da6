"""Methods in the last blocks with their features on disk, through the bundle's training."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from monai_cobot.errors import CobotError
from monai_cobot.sam import feature_cache
from tests.bundle.conftest import Run
from tests.bundle.test_resume import assert_same, weights

LAST = {"last_blocks": 3, "precision": "bf16", "checkpoint_blocks": True}


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_weights_with_and_without_a_cache(train: Run, tmp_path: Path) -> None:
    """Orchestrated, in bfloat16, to the bit; the last training makes no features itself."""
    train(tmp_path / "without", **LAST)
    for name in ("written", "read"):
        train(tmp_path / name, **LAST, feature_cache=str(tmp_path / "cache"))
        assert_same(tmp_path / "without", tmp_path / name)
    files = list((tmp_path / "cache").iterdir())
    assert files
    assert {file.suffix for file in files} == {".npy"}


def test_a_refused_cache_replaces_nothing(
    train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With overwrite: true the earlier run is whole afterwards; a new one has no folder."""
    train(tmp_path / "run")
    before = files_of(tmp_path / "run")
    (tmp_path / "file").write_text("mine")
    cache = str(tmp_path / "cache")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"feature_cache": cache}, r"method 'lora' trains the first block"),
        ({"feature_cache": str(tmp_path / "file"), **LAST}, r"feature_cache .*file cannot be writ"),
        ({"feature_cache": "/proc/cache", **LAST}, r"feature_cache /proc/cache cannot be written"),
    ]
    for ids, message in refused:
        for folder, overwrite in (("run", True), ("new", False)):
            with pytest.raises(CobotError, match=message):
                train(tmp_path / folder, overwrite=overwrite, **ids)
    full = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda _: full)
    with pytest.raises(CobotError, match=r"needs .* more for \d+ images .* 0\.0 MB are free"):
        train(tmp_path / "run", overwrite=True, feature_cache=cache, **LAST)
    assert files_of(tmp_path / "run") == before
    assert not (tmp_path / "new").exists()


def test_an_evaluation_without_the_trainings_last_blocks(
    train: Run, evaluate: Run, tmp_path: Path
) -> None:
    train(tmp_path / "run", last_blocks=3)
    with pytest.raises(CobotError, match=r"differ in last_blocks 3 \(file\) and None \(here\)"):
        evaluate(tmp_path / "run")
    with pytest.raises(CobotError, match=r"differ in last_blocks 3 \(file\) and 2 \(here\)"):
        evaluate(tmp_path / "run", last_blocks=2)
    evaluate(tmp_path / "run", last_blocks=3)
    assert (tmp_path / "run" / "metrics.csv").is_file()
    trained = {key.split(".")[3] for key in weights(tmp_path / "run") if "image_encoder" in key}
    assert trained == {"9", "10", "11"}
