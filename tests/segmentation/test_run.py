"""Cases that fail and cases that go on, and where boxes and network come from."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from monai_cobot.data.datalist import case_name
from monai_cobot.inferers import PromptedVolumeInferer
from tests.segmentation.conftest import (
    SHAPE,
    labels_of,
    make_scan,
    run,
    truncate,
    write_boxes,
    write_nifti,
)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def no_gzip(path: Path) -> None:
    path.write_text("not a volume")


def flat(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((48, 40), np.float32), np.eye(4)), path)


def not_finite(path: Path) -> None:
    volume = np.full((48, 40, 12), np.nan, np.float32)
    nib.save(nib.Nifti1Image(volume, np.eye(4)), path)


def fewer_slices(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((48, 40, 3), np.float32), np.eye(4)), path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncate, r"case2\.nii\.gz is not readable as NIfTI, it may be truncated .*copy it again"),
        (empty, r"case2\.nii\.gz is not readable as NIfTI"),
        (no_gzip, r"case2\.nii\.gz is not readable as NIfTI"),
        (flat, r"case2\.nii\.gz has shape \(48, 40\), not three axes"),
        (not_finite, r"case2\.nii\.gz has NaN or infinite voxels: replace them"),
        (fewer_slices, r"/boxes\.json: case case2, box 3: slice 5 is outside of the image"),
    ],
)
def test_four_of_five(
    five: Path, adapter: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(five / "case2.nii.gz")
    out, boxes = tmp_path / "out", tmp_path / "boxes.json"
    summary = run(five, out, adapter, prompts_file=boxes)
    assert summary.named("failed") == ["case2"]
    assert summary.named("done") == ["case0", "case1", "case3", "case4"]
    result = summary.cases["case2"]
    assert re.search(message, result.error), result.error
    assert str(boxes) in result.error or str(five) in result.error  # no temporary name
    assert (result.file, result.traceback) == ("", "")
    files = {f"case{seed}_seg.nii.gz" for seed in (0, 1, 3, 4)}
    assert {path.name for path in out.iterdir()} == {*files, "summary.json"}
    assert all(labels_of(out, f"case{seed}").any() for seed in (0, 1, 3, 4))
    written = json.loads((out / "summary.json").read_text())
    assert written["counts"] == {"done": 4, "skipped": 0, "failed": 1}
    assert written["cases"]["case2"]["error"] == result.error
    assert written["waiting"] == []


def test_a_folder_of_series_with_a_broken_one(adapter: Path, tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    for name in ("a", "b", "c"):
        make_scan().write(scans / name)
    files = make_scan().write(scans / "d")
    files[4].unlink()
    make_scan(modality="MR").write(scans / "e")
    (scans / "notes").mkdir()
    boxes = write_boxes(tmp_path / "boxes.json", *"abcde")
    summary = run(scans, tmp_path / "out", adapter, prompts_file=boxes)
    assert summary.named("done") == ["a", "b", "c"]
    assert "a slice is missing between" in summary.cases["d"].error
    assert "is no CT, for which this bundle is" in summary.cases["e"].error


def test_a_fault_of_the_program_is_kept_for_a_report(
    five: Path,
    adapter: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ordinary = PromptedVolumeInferer.__call__

    def broken(self: PromptedVolumeInferer, *others: Any, case: str, **more: Any) -> Any:
        if case == "case1":
            raise RuntimeError("no memory left")
        return ordinary(self, *others, case=case, **more)

    monkeypatch.setattr(PromptedVolumeInferer, "__call__", broken)
    summary = run(five, tmp_path / "out", adapter, prompts_file=tmp_path / "boxes.json")
    assert summary.named("failed") == ["case1"]
    assert summary.cases["case1"].error.startswith("RuntimeError: no memory left (the traceback")
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert "in broken" in written["cases"]["case1"]["traceback"]
    assert capsys.readouterr().err == ""


def test_a_case_without_boxes_is_empty_and_said_to_be(
    five: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = write_boxes(tmp_path / "some.json", "case0", "case4")
    summary = run(five, tmp_path / "out", adapter, prompts_file=boxes)
    assert summary.cases["case1"].notes == [f"no boxes in {boxes} for case1: left empty"]
    assert summary.cases["case0"].notes == []
    assert not labels_of(tmp_path / "out", "case1").any()
    assert "left empty" not in capsys.readouterr().err


def test_boxes_from_labels_beside_the_images(
    five: Path, adapter: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    label = np.zeros(SHAPE[::-1], np.uint8)
    label[4:25, 6:30, 2:5] = 1
    for seed in range(5):
        image = nib.load(five / f"case{seed}.nii.gz")
        path = tmp_path / "labels" / f"case{seed}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(label, image.affine), path)
    for source in (tmp_path, five, five / "case1.nii.gz"):
        out = tmp_path / f"out_{case_name(source)}"
        summary = run(source, out, adapter)
        assert summary.made_with["prompts"] == "oracle boxes"
        assert "oracle boxes" in summary.cases["case1"].notes[0]
        assert labels_of(out, "case1")[:, :, 2:5].any()
    # With a prompts file they are not looked at, be they broken.
    no_gzip(tmp_path / "labels" / "case1.nii.gz")
    boxes = tmp_path / "boxes.json"
    assert not run(five, tmp_path / "with", adapter, prompts_file=boxes).named("failed")


def test_a_copied_bundle_with_its_own_adapter(
    five: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.bundle.conftest import ADOME

    bundle = shutil.copytree(ADOME, tmp_path / "elsewhere" / "mine")
    shutil.copy(adapter, bundle / "models" / "adapter.safetensors")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run(five, Path("out"), None, prompts_file=tmp_path / "boxes.json", bundle="../elsewhere/mine")
    run(five, tmp_path / "out", adapter, prompts_file=tmp_path / "boxes.json")
    for case in (f"case{seed}" for seed in range(5)):
        np.testing.assert_array_equal(
            labels_of(tmp_path / "here" / "out", case), labels_of(tmp_path / "out", case)
        )


def test_names_that_mean_something_to_monai(adapter: Path, tmp_path: Path) -> None:
    folder = tmp_path / "$HOME @spec #1 [a]"
    image = write_nifti(make_scan(), folder / "@spec#2 $1.nii.gz")
    link = folder / "link.nii.gz"
    link.symlink_to(image)
    boxes = write_boxes(folder / "my #boxes@.json", "@spec#2 $1", "link")
    out = folder / "out #%"
    summary = run(folder, out, adapter, prompts_file=boxes)
    assert summary.named("done") == ["@spec#2 $1", "link"]
    assert labels_of(out, "@spec#2 $1").any()
    own = write_boxes(folder / "own.json", "link")
    assert run(link, folder / "second", adapter, prompts_file=own).named("done") == ["link"]


def test_an_untrained_network_where_the_bundle_says_so(five: Path, tmp_path: Path) -> None:
    from tests.bundle.conftest import ADOME

    bundle = shutil.copytree(ADOME, tmp_path / "untrained")
    config = bundle / "configs" / "inference.yaml"
    lines = {"checkpoint": "none", "sam_checkpoint": "random", "sam": "small", "image_size": 64}
    text = config.read_text()
    for name, value in lines.items():
        text = re.sub(rf"(?m)^{name}:.*$", f"{name}: {value}", text)
    config.write_text(text)
    boxes = tmp_path / "boxes.json"
    summary = run(five, tmp_path / "out", None, prompts_file=boxes, bundle=bundle)
    assert (summary.made_with["adapter"], len(summary.named("done"))) == (None, 5)


def test_the_network_is_built_once(
    five: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import monai_cobot.bundle

    built: list[Any] = []
    ordinary = monai_cobot.bundle.build_for_inference

    def counted(*arguments: Any, **settings: Any) -> Any:
        built.append(ordinary(*arguments, **settings))
        return built[-1]

    monkeypatch.setattr(monai_cobot.bundle, "build_for_inference", counted)
    summary = run(five, tmp_path / "out", adapter, prompts_file=tmp_path / "boxes.json")
    assert (len(summary.named("done")), len(built)) == (5, 1)
