"""All parts run on a tiny SAM, and write a table, files and a figure."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import segment_anything.modeling
import torch
from PIL import Image

Load = Callable[[str], ModuleType]
# What runs in this process; the others start Python anew, which takes seconds each.
HERE = ("encoders", "organs", "bf16", "orchestration", "data_path", "volume_inference", "roof")


def run(load: Load, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["run_all.py", "--quick", "--device", "cpu", *arguments])
    threads = torch.get_num_threads()
    try:
        load("run_all").main()
    finally:
        torch.set_num_threads(threads)


def test_quick(load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="the usual preprocessing is scikit-image's")
    out = str(tmp_path)
    checkout = str(Path(segment_anything.modeling.__file__).parent)
    run(load, monkeypatch, "--out", out, "--authors", checkout, "--only", *HERE)
    found = json.loads((tmp_path / "benchmarks.json").read_text())
    rows = found["rows"]
    assert {row["part"] for row in rows} == set(HERE)
    assert all(0 < row["low"] <= row["ratio"] <= row["high"] for row in rows)
    assert {"processor", "torch", "transformers"} <= found["machine"].keys()
    assert (found["clock"], found["settings"]["threads"]) == ("cpu", 1)
    with (tmp_path / "benchmarks.csv").open() as stream:
        assert [row["variant"] for row in csv.DictReader(stream)] == [r["variant"] for r in rows]
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.count("\n| ") == len(rows) + 2
    assert text.startswith("Tiny problems")
    with Image.open(tmp_path / "benchmarks.png") as figure:
        assert min(figure.size) > 500
    operators = [row for row in rows if "two additions" in row["name"] and row["unit"] != "s"]
    assert len(operators) == 2
    assert all(row["ratio"] <= 1 for row in operators)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "parts").iterdir()}
    run(load, monkeypatch, "--out", out, "--authors", checkout, "--only", "roof")
    assert kept == {file: file.stat().st_mtime_ns for file in (tmp_path / "parts").iterdir()}
    assert json.loads((tmp_path / "benchmarks.json").read_text())["rows"] == rows


@pytest.mark.slow
@pytest.mark.parametrize("part", ["memory", "scaling"])
def test_parts_with_processes_of_their_own(
    part: str, load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(load, monkeypatch, "--out", str(tmp_path), "--only", part)
    rows = json.loads((tmp_path / "benchmarks.json").read_text())["rows"]
    assert rows
    assert all(row["ratio"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--blocks", "0"), "--blocks 0: give at least 1"),
        (("--authors", "nowhere"), "--authors nowhere: no such folder"),
        (("--authors", "."), r"--authors \.: no image_encoder\.py in it"),
        (("--threads", "0"), "--threads 0: give at least 1"),
        (("--device", "tpu"), "--device tpu: give cpu or cuda"),
        (("--side", "60"), "a side of 60: give multiples of 16"),
        (("--sides", "64", "8"), "a side of 8: give multiples of 16"),
    ],
)
def test_refused(
    arguments: tuple[str, ...], message: str, load: Load, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        run(load, monkeypatch, "--out", str(tmp_path / "out"), *arguments)
    assert not (tmp_path / "out").exists()


def test_other_settings_are_refused_before_anything_is_measured(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also of a part that is not asked for, but would stand in the same table."""
    harness, keeping = load("harness"), load("keeping")
    other = replace(harness.QUICK, blocks=1)
    keeping.write_rows(tmp_path / "parts" / "roof.json", other, [])
    bf16 = load("bf16")
    monkeypatch.setattr(bf16, "measure", lambda settings: pytest.fail("measured"))
    for arguments in (("--only", "bf16"), ("--only", "bf16", "--again")):
        with pytest.raises(SystemExit, match="give --only roof --again to replace it"):
            run(load, monkeypatch, "--out", str(tmp_path), *arguments)


def test_what_is_not_installed_is_told(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = load("machine")
    monkeypatch.setitem(machine.PEERS, "no_such_peer", "no-such-peer")
    run(load, monkeypatch, "--out", str(tmp_path), "--only", "bf16")
    assert "no-such-peer (pip install" in capsys.readouterr().err
    assert "Not installed, and left out: no-such-peer." in (tmp_path / "benchmarks.md").read_text()
    monkeypatch.setattr(machine, "PEERS", {"no_such_peer": "scikit-image"})
    monkeypatch.setattr(load("run_all"), "PEERS", machine.PEERS)
    with pytest.raises(SystemExit, match="data_path needs scikit-image"):
        run(load, monkeypatch, "--out", str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("ratio", "low", "high", "told"),
    [
        (0.4, 0.3, 0.5, "<= 0.5"),
        (0.4, 0.3, 0.6, "<= 0.5, the interval reaches above"),
        (0.6, 0.45, 0.7, "<= 0.5, missed, but for the interval"),
        (0.6, 0.55, 0.7, "<= 0.5, missed"),
    ],
)
def test_bounds(ratio: float, low: float, high: float, told: str, load: Load) -> None:
    row = load("harness").Row("p", "n", "v", ratio, low, high, 1, ratio, "s", bound=0.5)
    assert load("tables").cells(row)[6] == told


def test_flops_and_operators_by_hand(load: Load) -> None:
    """A product of (2, 3) and (3, 5) has 2 * 2 * 3 * 5 operations."""
    operators = load("operators")
    a, b = torch.ones(2, 3), torch.ones(3, 5)
    assert operators.flops_of(lambda: a @ b) == 60
    found = operators.operators_of(lambda: (a @ b).t() + 1)
    assert found.computing == 2
    assert sum(found.counts.values()) == 3


def test_work_of_a_step_by_hand(load: Load) -> None:
    """The encoder's operations by a formula, where windows divide the image and where not.

    Forward of a block with T tokens, D features and w x w keys a query: 24 T D^2 of its four
    projections, 4 T w^2 D of scores and values, 4 T w D of relative positions. Backward: once more
    for frozen weights, twice for products of activations. The neck: 2 T C (D + 9 C), once more.
    """
    roof, harness = load("roof"), load("harness")
    size = load("tiny").TINY
    width, channels, window = size.width, size.decoder_width, size.window

    def by_hand(side: int) -> int:
        grid = side // size.patch
        tokens, total = grid**2, 0
        for block in range(size.depth):
            keys = grid if block in size.global_blocks else window
            linear = 24 * tokens * width**2 + 4 * tokens * keys * width
            total += 2 * linear + 3 * 4 * tokens * keys**2 * width
        return total + 2 * 2 * tokens * channels * (width + 9 * channels)

    settings = harness.QUICK
    at = {grid: roof.model_flops(settings, 16 * grid) - by_hand(16 * grid) for grid in (3, 4, 6, 7)}
    embedding = {grid: 2 * grid**2 * 3 * 16**2 * width for grid in at}
    decoder = {grid: at[grid] - embedding[grid] for grid in at}
    # What is left is the decoder's, which grows with the tokens, and with nothing of a window.
    slope = (decoder[6] - decoder[3]) / (36 - 9)
    assert slope > 0
    for grid in (4, 7):
        assert decoder[grid] == decoder[3] + slope * (grid**2 - 9)
