"""The notebooks run from a fresh folder, with small settings, and show what they promise."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from matplotlib.image import imread
from nbclient import NotebookClient

from monai_cobot.data import datasets
from tests.conftest import REPOSITORY

NOTEBOOKS = REPOSITORY / "notebooks"
BUNDLE = REPOSITORY / "bundles" / "adome_abdomen_ct_segmentation"
SMALL = {"PATIENTS": "4", "SHAPE": "64,64,16", "IMAGE_SIZE": "64", "EPOCHS": "1"}
# A cell of a minute here may take several on a busy machine; what hangs is stopped.
CELL_SECONDS = 500


def execute(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """Run a notebook in an empty working folder; what it writes goes to ``tmp_path / "out"``."""
    places = {"FOLDER": str(tmp_path / "out"), "BUNDLE": str(BUNDLE)}
    for key, value in (SMALL | places).items():
        monkeypatch.setenv(f"COBOT_NOTEBOOK_{key}", value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    working = tmp_path / "working"
    working.mkdir()
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    NotebookClient(
        notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(working)}}
    ).execute()
    assert not list(working.iterdir())
    return notebook


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[Any]:
    """All outputs of a mime type, in order."""
    return [
        output.data[kind]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]


@pytest.mark.timeout(1200)
def test_quick_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = execute("quick_start.ipynb", tmp_path, monkeypatch)
    out = tmp_path / "out"
    with (out / "dice.csv").open(newline="") as file:
        scores = list(csv.DictReader(file))
    organs = [*datasets.get("ADOME").labels, "mean_over_organs"]
    answers = ["ellipse", "filled box", "zero shot", "LoRA + orchestration"]
    assert [(s["organ"], s["answer"]) for s in scores] == [(o, a) for o in organs for a in answers]
    assert all(0 <= float(score["dice"]) <= 1 for score in scores)
    (shown,) = outputs(notebook, "text/markdown")
    assert all(organ.replace("_", " ") in shown for organ in organs)
    # the data, the box plot, and an overlay of the one test patient
    assert len(outputs(notebook, "image/png")) == 3
    assert imread(out / "dice.png").std() > 0
    split = json.loads((out / "split.json").read_text())
    assert [len(split[side]) for side in ("training", "validation", "test")] == [2, 1, 1]
    assert (out / "fine_tuned" / "checkpoints" / "adapter_best.safetensors").is_file()


@pytest.mark.timeout(1200)
def test_what_the_orchestration_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = execute("what_the_orchestration_learns.ipynb", tmp_path, monkeypatch)
    out = tmp_path / "out"
    learned = json.loads((out / "orchestration.json").read_text())
    before, after = (
        {name: np.array(values) for name, values in learned[when].items()}
        for when in ("before", "after")
    )
    assert learned["sites"][:3] == ["q0", "v0", "q1"]
    np.testing.assert_array_equal(before["relation_matrix"], np.eye(24))
    exchanged = after["relation_matrix"] - np.diag(np.diag(after["relation_matrix"]))
    assert np.abs(exchanged).max() > 1e-3
    np.testing.assert_allclose(
        after["communicated"], after["relation_matrix"] @ after["coefficients_lm"]
    )
    assert before["departure"].max() < 1e-5
    assert after["departure"].min() > 1e-3
    assert len(outputs(notebook, "image/png")) == 3
    for name in ("relation_matrix", "coefficients", "heads"):
        assert imread(out / f"{name}.png").std() > 0
    printed = "".join(o.text for c in notebook.cells for o in c.get("outputs", []) if "text" in o)
    assert "orchestrated: False; largest difference of a logit:" in printed


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert all("COBOT_NOTEBOOK_" not in cell.source for cell in code[1:])
