"""Runs that stop and go on, and what becomes of results that are there already."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from monai_cobot.errors import CobotError
from tests.segmentation.conftest import (
    broken_at,
    labels_of,
    make_scan,
    run,
    truncate,
    write_boxes,
    write_nifti,
)


def test_a_stopped_run_goes_on(
    five: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, boxes = tmp_path / "out", tmp_path / "boxes.json"
    with monkeypatch.context() as patch:
        broken_at(patch, "case2", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(five, out, adapter, prompts_file=boxes)
    written = json.loads((out / "summary.json").read_text())
    assert (list(written["cases"]), written["waiting"]) == (
        ["case0", "case1"],
        ["case2", "case3", "case4"],
    )
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.nii.gz")}
    assert set(before) == {"case0_seg.nii.gz", "case1_seg.nii.gz"}
    summary = run(five, out, adapter, prompts_file=boxes, skip_existing=True)
    assert summary.named("skipped") == ["case0", "case1"]
    assert summary.named("done") == ["case2", "case3", "case4"]
    assert summary.cases["case0"].volumes_ml == written["cases"]["case0"]["volumes_ml"]
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.nii.gz")}
    assert {name: after[name] for name in before} == before
    assert len(after) == 5


def test_skipping_keeps_other_cases_and_refuses_another_adapter(
    five: Path, adapter: Path, tmp_path: Path
) -> None:
    out, boxes = tmp_path / "out", tmp_path / "boxes.json"
    for name in ("case0", "case1"):
        single = write_boxes(tmp_path / f"{name}.json", name)
        run(five / f"{name}.nii.gz", out, adapter, prompts_file=single, skip_existing=True)
    assert list(json.loads((out / "summary.json").read_text())["cases"]) == ["case0", "case1"]
    other = tmp_path / "other.safetensors"
    content = adapter.read_bytes()
    other.write_bytes(content[:-4] + bytes(4))
    assert other.read_bytes() != content
    with pytest.raises(CobotError, match="were made with another adapter_sha256"):
        run(five, out, other, prompts_file=boxes, skip_existing=True)
    assert len(list(out.glob("*.nii.gz"))) == 2


def test_nothing_is_overwritten_unasked(five: Path, adapter: Path, tmp_path: Path) -> None:
    out, boxes = tmp_path / "out", tmp_path / "boxes.json"
    out.mkdir()
    old = out / "case3_seg.nii.gz"
    shutil.copy(five / "case0.nii.gz", old)
    with pytest.raises(CobotError, match=r"case3_seg\.nii\.gz exists: --skip-existing goes on"):
        run(five, out, adapter, prompts_file=boxes)
    assert [path.name for path in out.iterdir()] == [old.name]
    truncate(five / "case3.nii.gz")
    summary = run(five, out, adapter, prompts_file=boxes, overwrite=True)
    assert f"({old} is of an earlier run)" in summary.cases["case3"].error
    write_nifti(make_scan(3), five / "case3.nii.gz")
    with pytest.raises(CobotError, match=r"summary\.json exists"):
        run(five / "case3.nii.gz", tmp_path / "out", adapter)
    run(five, out, adapter, prompts_file=boxes, overwrite=True)
    assert labels_of(out, "case3").max() == 5
