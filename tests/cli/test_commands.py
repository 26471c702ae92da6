"""The console script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

import monai_cobot
from monai_cobot.cli import app
from monai_cobot.cli.methods import method_rows
from monai_cobot.data import datasets
from monai_cobot.errors import CobotError
from tests.conftest import REPOSITORY

RUNNER = CliRunner()


def test_methods_on_vit_b_have_the_papers_counts() -> None:
    result = RUNNER.invoke(app, ["methods", "--sam", "vit_b", "--json"])
    rows = {(r["method"], r["orchestrate"]): r for r in json.loads(result.stdout)}
    assert {key: row["parameters"] for key, row in rows.items()} == {
        ("freeze", False): 0,
        ("lightweight", False): 0,
        ("lora", False): 147456,
        ("lora", True): 148320,
        ("adaptformer", False): 322752,
        ("adaptformer", True): 324048,
        ("dora", False): 165888,
        ("dora", True): 166752,
        ("bitfit", False): 101376,
        ("bitfit", True): 228624,
        ("ssf", False): 202752,
        ("ssf", True): 492096,
        ("attention_tuning", False): 28441088,
        ("attention_tuning", True): 28460432,
        ("vpt", False): 101376,
        ("lst", False): 7908172,
        ("full", False): 89670912,
    }
    assert {r["identity_at_start"] for r in rows.values()} == {"exact", "no"}
    assert rows["vpt", False]["reasons"]["identity_at_start"].startswith("every token attends")
    assert not rows["lora", True]["reasons"]
    assert rows["lora", True]["foldable"]
    assert rows["lora", True]["mergeable"]
    assert not rows["adaptformer", True]["mergeable"]


def test_the_manual_has_every_count() -> None:
    lines = (REPOSITORY / "docs" / "method.md").read_text().splitlines()
    table = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    for row in method_rows("vit_b"):
        assert f"| {row.parameters:,} |" in table[row.method]


@pytest.mark.parametrize("sam", ["vit_l", "vit_h", "small"])
def test_methods_as_a_table(sam: str) -> None:
    result = RUNNER.invoke(app, ["methods", "--sam", sam])
    assert result.exit_code == 0
    assert "adaptformer" in result.stdout


def test_phantom_writes_flare22s_layout(tmp_path: Path) -> None:
    arguments = ["phantom", "--out", str(tmp_path / "p"), "--cases", "2", "--seed", "3"]
    result = RUNNER.invoke(app, [*arguments, "--shape", "48", "48", "16"])
    assert result.exit_code == 0, result.output
    cases = datasets.get("ADOME").find_cases(tmp_path / "p")
    assert [case["case"] for case in cases] == ["phantom_0001", "phantom_0002"]
    for case in cases:
        label = np.asarray(nib.load(case["label"]).dataobj)
        assert set(np.unique(label)) == set(range(14))
    with pytest.raises(CobotError, match="not empty"):
        RUNNER.invoke(app, arguments, catch_exceptions=False)


def test_module_and_version() -> None:
    command = [sys.executable, "-m", "monai_cobot"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=120)
    assert version.stdout.strip() == monai_cobot.__version__
    bad = subprocess.run(
        [*command, "methods", "--sam", "vit_x"], capture_output=True, text=True, timeout=120
    )
    assert bad.returncode == 1
    assert bad.stderr.startswith("error: unknown SAM size 'vit_x'")
    assert "Traceback" not in bad.stderr
