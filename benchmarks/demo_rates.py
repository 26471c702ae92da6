"""The rates of `make demo`: as many trials for every method, judged on the validation patients.

    make demo-rates

A trial is a training of the ADOME bundle with the demo's own settings, which follow `--`. It scores
the best validation Dice over the epochs, by which training keeps its adapter. Test patients are not
read. A trial that is done is kept and one that was stopped goes on: the same command continues.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

REPOSITORY = Path(__file__).resolve().parents[1]
TRAIN = REPOSITORY / "bundles" / "adome_abdomen_ct_segmentation" / "configs" / "train.yaml"

RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
ORCHESTRATED = tuple(
    (lr, orchestration) for lr in (3e-4, 1e-3, 3e-3) for orchestration in (1e-3, 1e-2)
)


@dataclass(frozen=True)
class Trial:
    """One method with one choice of rates."""

    method: str
    orchestrate: bool
    lr: float
    orchestration_lr: float | None = None

    @property
    def name(self) -> str:
        return "orchestrated" if self.orchestrate else self.method

    @property
    def folder(self) -> str:
        return "_".join([self.name, *self.rates()[1::2]])

    def rates(self) -> list[str]:
        """As ids on the command line."""
        found = ["--lr", f"{self.lr:.1e}"]
        if self.orchestration_lr is not None:
            found += ["--orchestration_lr", f"{self.orchestration_lr:.1e}"]
        return found

    def ids(self) -> list[str]:
        return [
            "--method", self.method, "--orchestrate", str(self.orchestrate).lower(), *self.rates(),
        ]  # fmt: skip


TRIALS = (
    *(Trial("lightweight", False, lr) for lr in RATES),
    *(Trial("lora", False, lr) for lr in RATES),
    *(Trial("lora", True, *rates) for rates in ORCHESTRATED),
)


def run_trial(trial: Trial, out: Path, settings: Sequence[str]) -> float:
    """Train unless it is done, and give the best validation Dice; the log lies beside the run."""
    folder = out / trial.folder
    if not finished(folder):
        out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(TRAIN)]
        command += [*settings, *trial.ids(), "--output_dir", str(folder)]
        start = time.perf_counter()
        with (out / f"{trial.folder}.log").open("w") as log:
            ended = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        if ended.returncode:
            raise SystemExit(f"{trial.folder} failed: see {out / f'{trial.folder}.log'}")
        print(f"{trial.folder}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return best_dice(folder)


def finished(folder: Path) -> bool:
    record = folder / "run.json"
    return record.is_file() and json.loads(record.read_text())["status"] == "finished"


def best_dice(folder: Path) -> float:
    """The best validation Dice over the epochs, from the run's TensorBoard files."""
    values = []
    for file in sorted((folder / "tensorboard").iterdir()):
        events = EventAccumulator(str(file))
        events.Reload()
        if "validation_dice" in events.Tags()["scalars"]:
            values += [event.value for event in events.Scalars("validation_dice")]
    if not values:
        raise SystemExit(f"{folder} has no validation Dice: give a split with a validation part")
    return max(values)


def table(dice: dict[Trial, float]) -> str:
    """The trials in Markdown, the best of each method in bold."""
    lines = ["| method | rates | validation Dice |", "| --- | --- | ---: |"]
    for trial, value in dice.items():
        best = value == max(v for other, v in dice.items() if other.name == trial.name)
        shown = f"**{value:.4f}**" if best else f"{value:.4f}"
        lines.append(f"| {trial.name} | {' '.join(trial.rates())} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the trials")
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time")
    parser.add_argument("settings", nargs="+", help="after --: ids of train.yaml")
    given = parser.parse_args()
    with ThreadPoolExecutor(given.jobs) as pool:
        found = pool.map(lambda trial: run_trial(trial, given.out, given.settings), TRIALS)
        dice = dict(zip(TRIALS, found, strict=True))
    text = table(dice)
    (given.out / "rates.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
