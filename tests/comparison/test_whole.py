"""A whole comparison from the command line: stopped, continued, read once more."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monai_cobot.comparison import Comparison, load_plan, write_report
from monai_cobot.comparison.scheduling import Schedule
from tests.bundle.conftest import ADOME
from tests.comparison.conftest import WritePlan
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow
ROUNDING = 1e-9  # means of the same few numbers in another order


def start(plan: Path, *options: str) -> subprocess.Popen[str]:
    """The command in a process group of its own, as a terminal gives it one."""
    return subprocess.Popen(
        [sys.executable, "-m", "monai_cobot", "compare", str(plan), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=REPOSITORY,
        # Tests that run in the background of a shell ignore Ctrl-C, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def stop_in_second_run(plan: Path) -> str:
    """Ctrl-C as soon as the first run is kept and the second one has begun."""
    process = start(plan)
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if line.startswith("[2/"):
            os.killpg(process.pid, signal.SIGINT)
            break
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    return seen + rest


def test_stopped_comparison_goes_on_and_reads_the_test_part_at_the_end(
    write_plan: WritePlan, phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shutil.copytree(phantoms, tmp_path / "data")
    names = sorted(file.name.removesuffix(".nii.gz") for file in (data / "labels").iterdir())
    split = {"training": names[3:], "validation": [names[2]], "test": names[:2]}
    (tmp_path / "mine.json").write_text(json.dumps(split))
    dataset = {"bundle": str(ADOME), "dataset_dir": "data", "split_file": "mine.json"}
    file = write_plan(datasets=[dataset])
    hidden = [
        path for name in split["test"] for path in data.rglob("*.nii.gz") if name in path.name
    ]
    whole = {path: path.read_bytes() for path in hidden}
    assert len(whole) == 4
    for path in hidden:
        path.write_bytes(b"no volume")

    said = stop_in_second_run(file)
    assert "stopped: the same command goes on" in said
    assert "Traceback" not in said
    folder = tmp_path / "comparison" / "ADOME"
    adapter = folder / "decoder_only/trials/lr_0.001/checkpoints/adapter_best.safetensors"
    before = adapter.stat().st_mtime_ns

    plan = load_plan(file)
    comparison = Comparison(plan)
    evaluate = comparison._evaluate

    def restore_then_evaluate(schedule: Schedule) -> None:
        for path, content in whole.items():
            path.write_bytes(content)
        evaluate(schedule)

    monkeypatch.setattr(comparison, "_evaluate", restore_then_evaluate)
    compared = comparison.run()
    assert compared.broken == []
    assert adapter.stat().st_mtime_ns == before
    write_report(plan, compared)
    check_table(tmp_path / "comparison")

    again = start(file)
    output, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert errors.count(": kept\n") == 7
    assert "comparison.html" in output


def check_table(out: Path) -> None:
    """The table's numbers are the means of metrics.csv, and the page shows all figures."""
    with (out / "comparison.csv").open() as file:
        lines = {line["answer"]: line for line in csv.DictReader(file)}
    assert [*lines] == [
        "filled box", "ellipse", "zero shot", "decoder only", "LoRA + orchestration",
    ]  # fmt: skip
    with (out / "ADOME/zero_shot/seed_0/metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "ellipse" and row["dice"]]
    patients = {row["patient"] for row in rows}
    means = []
    for patient in patients:
        dice = [float(row["dice"]) for row in rows if row["patient"] == patient]
        means.append(sum(dice) / len(dice))
    assert len(means) == 2
    expected = sum(means) / len(means)
    assert float(lines["ellipse"]["dice"]) == pytest.approx(expected, abs=ROUNDING)
    assert float(lines["LoRA + orchestration"]["seconds_per_step"]) > 0
    assert int(lines["decoder only"]["adapter_parameters"]) == 0
    found = json.loads((out / "comparison.json").read_text())
    assert [line["chosen"] for line in found["trials"]].count("chosen") == 2
    table = (out / "comparison.md").read_text()
    assert "ADOME: 2 test patients; SAM small, weights random, 64 px; boxes exact; seeds 0" in table
    page = (out / "comparison.html").read_text()
    assert len(re.findall("<img", page)) == len(list((out / "figures").glob("*.png"))) >= 3
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
