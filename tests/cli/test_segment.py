"""``monai-cobot segment`` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from monai_cobot.cli import app
from monai_cobot.errors import CobotError
from monai_cobot.segmentation import BundleInference
from tests.bundle.conftest import ADOME
from tests.segmentation.conftest import adapter, make_scan, write_boxes, write_nifti

RUNNER = CliRunner()
__all__ = ["adapter"]


@pytest.fixture
def arguments(tmp_path: Path, adapter: Path) -> list[str]:
    for seed in (0, 1):
        write_nifti(make_scan(seed), tmp_path / "images" / f"case{seed}.nii.gz")
    boxes = write_boxes(tmp_path / "boxes.json", "case0", "case1")
    places = [str(tmp_path / "images"), str(tmp_path / "out")]
    return [
        *("segment", *places, "--bundle", str(ADOME), "--device", "cpu"),
        *("--adapter", str(adapter), "--prompts", str(boxes)),
    ]


def test_all_well(arguments: list[str], tmp_path: Path) -> None:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "2 done" in result.output
    assert "liver" in result.output
    assert "Prompts: boxes of a prompts file" in result.output
    with pytest.raises(CobotError, match=r"summary\.json exists: --skip-existing goes on"):
        RUNNER.invoke(app, arguments, catch_exceptions=False)
    again = RUNNER.invoke(app, [*arguments, "--skip-existing"])
    assert (again.exit_code, "2 skipped" in again.output) == (0, True)
    assert RUNNER.invoke(app, [*arguments, "--overwrite"]).exit_code == 0


def test_a_failed_case_is_named_and_the_status_is_one(arguments: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "images" / "case1.nii.gz"
    broken.write_bytes(broken.read_bytes()[:2000])
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 1
    assert "1 done, 1 failed" in result.output
    assert f"case1 failed: {broken} is not readable as NIfTI" in result.output
    assert (tmp_path / "out" / "case0_seg.nii.gz").is_file()


def test_ctrl_c_says_how_to_go_on(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BundleInference, "segment", interrupted)
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 130
    assert "the same command with --skip-existing goes on" in result.output
    again = RUNNER.invoke(app, [*arguments, "--overwrite"])
    assert "are those of the earlier run" in again.output


def test_a_device_that_is_not_there(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(CobotError, match="device 'cuda:99' cannot be used"):
        RUNNER.invoke(app, [*arguments, "--device", "cuda:99"], catch_exceptions=False)
    assert not (tmp_path / "out").exists()
