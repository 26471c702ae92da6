"""`make demo` and the trials behind its rates."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from torch.utils.tensorboard import SummaryWriter

from monai_cobot.bundle.settings import check_ids
from monai_cobot.metrics import read_csv
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

TRAINED = [("lightweight", "false"), ("lora", "false"), ("lora", "true")]


def make(*arguments: str, timeout: float = 60) -> str:
    """Run make without the installation; raises where it fails."""
    command = ["make", "-o", ".venv/installed", f"RUN={sys.executable}", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=timeout
    ).stdout


def bundle_runs(target: str) -> list[dict[str, str]]:
    """The ids of every `python -m monai.bundle run` of a target, in order."""
    lines = [shlex.split(line) for line in make("-n", target).replace("\\\n", "").splitlines()]
    runs = [line[line.index("run") + 1 :] for line in lines if "monai.bundle" in line]
    for arguments in runs:
        check_ids(arguments)
    return [dict(zip([a[2:] for a in run[::2]], run[1::2], strict=True)) for run in runs]


@pytest.fixture(scope="module")
def rates() -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        "demo_rates", REPOSITORY / "benchmarks" / "demo_rates.py"
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["demo_rates"] = module
    specification.loader.exec_module(module)
    return module


def trainings(runs: list[dict[str, str]]) -> list[dict[str, str]]:
    return [run for run in runs if "evaluate.yaml" not in run["config_file"]]


@pytest.mark.parametrize(("target", "seeds"), [("demo", "0"), ("demo-full", "012")])
def test_every_answer_gets_the_same_boxes_and_epochs(
    target: str, seeds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    runs = bundle_runs(target)
    trained = trainings(runs)
    evaluated = [run for run in runs if run not in trained]
    assert [(r["method"], r["orchestrate"], r["seed"]) for r in trained] == [
        (*method, seed) for method in TRAINED for seed in seeds
    ]
    assert len({r["output_dir"] for r in trained}) == len(trained)
    assert evaluated[0]["checkpoint"] == "none"
    assert [r["output_dir"] for r in evaluated[1:]] == [r["output_dir"] for r in trained]
    for name in (
        *("dataset_dir", "split_file", "sam", "prompts", "box_jitter", "eval_box_jitter"),
    ):
        assert len({run[name] for run in runs}) == 1
    assert runs[0]["box_jitter"] == runs[0]["eval_box_jitter"]
    assert all("seed" not in run for run in evaluated)  # of the boxes
    assert len({(run["epochs"], run["weight_decay"]) for run in trained}) == 1


def test_rates_are_those_of_the_trials(rates: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many trials a method, and what the Makefile takes is one of them."""
    monkeypatch.chdir(REPOSITORY)
    counts = Counter(trial.name for trial in rates.TRIALS)
    assert counts == dict.fromkeys(("lightweight", "lora", "orchestrated"), 6)
    assert len(set(rates.TRIALS)) == len(rates.TRIALS)
    tried = {
        (trial.method, trial.orchestrate, trial.lr, trial.orchestration_lr)
        for trial in rates.TRIALS
    }
    for run in trainings(bundle_runs("demo")):
        second = float(run["orchestration_lr"]) if "orchestration_lr" in run else None
        orchestrate = run["orchestrate"] == "true"
        assert (run["method"], orchestrate, float(run["lr"]), second) in tried
    for trial in rates.TRIALS:
        check_ids(["--config_file", str(rates.TRAIN), *trial.ids()])


@pytest.mark.parametrize("name", ["quick_start", "what_the_orchestration_learns"])
def test_notebooks_have_the_rates_of_the_demo(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    (demo,) = [r for r in trainings(bundle_runs("demo")) if r["orchestrate"] == "true"]
    cells = json.loads((REPOSITORY / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    text = "".join(line for cell in cells for line in cell["source"])
    for rate in ("lr", "orchestration_lr"):
        (found,) = re.findall(rf"\b{rate}=([\d.e-]+),", text)
        assert float(found) == float(demo[rate])


def test_a_trial_scores_its_best_epoch_and_runs_once(
    rates: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = rates.Trial("lora", True, 3e-4, 1e-2)
    assert trial.ids() == [
        "--method", "lora", "--orchestrate", "true", "--lr", "3.0e-04",
        "--orchestration_lr", "1.0e-02",
    ]  # fmt: skip
    started = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[command.index("--output_dir") + 1])
        started.append(folder.name)
        writer = SummaryWriter(str(folder / "tensorboard"))
        for epoch, dice in enumerate((0.25, 0.75, 0.5)):
            writer.add_scalar("validation_dice", dice, epoch)
        writer.close()
        (folder / "run.json").write_text(json.dumps({"status": "finished"}))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(rates.subprocess, "run", run)
    for _ in range(2):
        assert rates.run_trial(trial, tmp_path, ["--sam", "small"]) == 0.75
    assert started == ["orchestrated_3.0e-04_1.0e-02"]


def test_the_table_marks_the_best_of_each_method(rates: ModuleType) -> None:
    dice = {
        rates.Trial("lora", False, 1e-3): 0.5,
        rates.Trial("lora", False, 3e-3): 0.6,
        rates.Trial("lora", True, 1e-3, 1e-2): 0.4,
    }
    assert rates.table(dice).splitlines()[2:] == [
        "| lora | --lr 1.0e-03 | 0.5000 |",
        "| lora | --lr 3.0e-03 | **0.6000** |",
        "| orchestrated | --lr 1.0e-03 --orchestration_lr 1.0e-02 | **0.4000** |",
    ]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_make_demo_twice_in_small(tmp_path: Path) -> None:
    """From nothing to the table, and again over what lies there."""
    out = tmp_path / "demo"
    small = [f"DEMO={out}", "DEMO_COHORT=--cases 4 --seed 7 --shape 64 64 16",
             "DEMO_TRAINING=--epochs 1 --weight_decay 0.0 --batch_size 4"]  # fmt: skip
    for _ in range(2):
        printed = make("demo", *small, timeout=1500)
    assert "LoRA + orchestration" in printed
    assert (out / "table" / "scores.png").is_file()
    methods = {
        folder.name: {row.series for row in read_csv(folder / "metrics.csv") if not row.trivial}
        for folder in out.iterdir()
        if (folder / "metrics.csv").is_file()
    }
    assert methods == {
        "zero_shot": {"zero shot"},
        "decoder_0": {"decoder only"},
        "lora_0": {"LoRA"},
        "orchestrated_0": {"LoRA + orchestration"},
    }
    assert all(len(list((out / name / "figures").glob("*.png"))) == 2 for name in methods)
