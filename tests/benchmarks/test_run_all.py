"""All parts run on a tiny SAM, and write a table, files and a figure."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
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
    assert {"processor", "threads", "torch", "clock"} <= found["machine"].keys()
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
    ],
)
def test_refused(
    arguments: tuple[str, ...], message: str, load: Load, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    with pytest.raises(SystemExit, match=message):
        run(load, monkeypatch, "--out", str(tmp_path / "out"), *arguments)
    assert not (tmp_path / "out").exists()


def test_missed_bounds_are_told(load: Load) -> None:
    harness, tables = load("harness"), load("tables")
    good, bad = (harness.counted("p", "n", "v", 2, ours, "s", bound=0.5) for ours in (1, 2))
    assert tables.cells(good)[6] == "<= 0.5"
    assert tables.cells(bad)[6] == "<= 0.5, missed"


def test_flops_and_operators_by_hand(load: Load) -> None:
    """A product of (2, 3) and (3, 5) has 2 * 2 * 3 * 5 operations."""
    operators = load("operators")
    a, b = torch.ones(2, 3), torch.ones(3, 5)
    assert operators.flops_of(lambda: a @ b) == 60
    found = operators.operators_of(lambda: (a @ b).t() + 1)
    assert found.computing == 2
    assert sum(found.counts.values()) == 3
