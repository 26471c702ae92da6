"""Fine-tune the shipped small SAM on pictures, with every method, and compare on the test part.

    python benchmarks/fine_tune_small_sam.py --data-dir DATA --out OUT [--datasets BRAST,SONAR]

DATA holds a folder a dataset. The rate of every method is chosen by the mean Dice on the validation
part, of the same number of trials each (seed 0); then each method is trained with that rate and
every seed, and the test part is read once. Boxes are moved by up to 50 px at 1024, each side in or
out, in training, validation and test. Runs that are done are kept: the same command goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from torch.utils.data import DataLoader

from monai_cobot.data import datasets
from monai_cobot.data.sampler import ResumableBatchSampler
from monai_cobot.data.slices import ImageDataset, collate_slices
from monai_cobot.data.spec import Case, DatasetSpec, target_instances
from monai_cobot.data.splits import make_split
from monai_cobot.evaluation import BoxEvaluation
from monai_cobot.inferers import prepare_slices
from monai_cobot.metrics import Row, Run, read_csv, series_name, write_csv
from monai_cobot.sam import CobotSAM, build_adapted_sam
from monai_cobot.transforms import BoxJitter, image_transforms, slice_transforms

JITTER = {"mode": "symmetric", "size": 50}
RATES = (3e-4, 1e-3, 3e-3)
ORCHESTRATION_FACTOR = 10.0
METHODS = (
    ("lightweight", False),
    ("lora", False),
    ("lora", True),
    ("adaptformer", False),
    ("adaptformer", True),
)
SPLIT_SEED = 0


@dataclass(frozen=True)
class Study:
    """Where things lie, and how long is trained."""

    data_dir: Path
    out: Path
    seeds: tuple[int, ...]
    steps: int
    batch_size: int
    targets: int
    sam_checkpoint: str | None


@dataclass(frozen=True)
class Sides:
    """The parts of a dataset; the test part is handed out once, at the end."""

    spec: DatasetSpec
    training: list[Case]
    validation: list[Case]
    test: list[Case]
    split_hash: str

    @classmethod
    def of(cls, code: str, data_dir: Path) -> Sides:
        spec = datasets.get(code)
        cases = [case for case in spec.find_cases(data_dir / code) if target_instances(case)]
        split = make_split(cases, SPLIT_SEED)
        parts = [split.items(cases, side) for side in ("training", "validation", "test")]
        return cls(spec, *parts, split_hash=split.hash)


def train(
    study: Study, sides: Sides, method: str, orchestrate: bool, rate: float, seed: int
) -> CobotSAM:
    """One training of a fixed number of steps at a constant rate."""
    model = build_adapted_sam(
        "small", study.sam_checkpoint, method=method, orchestrate=orchestrate, seed=seed
    )
    size = model.base.image_size
    dataset = ImageDataset(
        sides.training,
        image_transforms(sides.spec.labels),
        slice_transforms(size, JITTER, max_instances=study.targets),
        seed=seed,
        cache=True,
    )
    sampler = ResumableBatchSampler(len(dataset), study.batch_size, seed)
    loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate_slices)
    optimizer = torch.optim.Adam(model.parameter_groups(rate, rate * ORCHESTRATION_FACTOR))
    loss_function = DiceCELoss(sigmoid=True, squared_pred=True)
    model.train()
    for step, batch in zip(range(study.steps), loader, strict=False):
        torch.manual_seed(seed * 1_000_003 + step)
        images, targets, _, prompts = prepare_slices(batch, torch.device("cpu"))
        loss = loss_function(model(images, **prompts), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def evaluate(model: CobotSAM, sides: Sides, cases: Sequence[Case], seed: int) -> list[Row]:
    """Rows of the model and of the trivial answers, from jittered boxes."""
    jitter = BoxJitter.from_mapping(JITTER, model.base.image_size)
    zero_shot = model.method == "freeze"
    run = Run(
        method="zero_shot" if zero_shot else model.method,
        orchestrate=model.orchestrated,
        seed=seed,
        split_hash=sides.split_hash,
        split_by="patient",
        image_size=model.base.image_size,
        sam=model.base.sam,
        weights=model.base.weights,
        box_jitter=str(jitter),
    )
    rows = BoxEvaluation(model.eval(), run, jitter).rows(sides.spec, cases)
    return rows if zero_shot else [row for row in rows if not row.trivial]


def choose_rates(study: Study, sides: Sides) -> dict[str, float]:
    """The rate of each method with the best validation Dice; trials are kept in ``trials.json``."""
    file = study.out / sides.spec.code / "trials.json"
    trials: dict[str, dict[str, float]] = json.loads(file.read_text()) if file.is_file() else {}
    for method, orchestrate in METHODS:
        name = series_name(method, orchestrate)
        for rate in RATES:
            if str(rate) in trials.setdefault(name, {}):
                continue
            start = time.perf_counter()
            model = train(study, sides, method, orchestrate, rate, study.seeds[0])
            rows = evaluate(model, sides, sides.validation, study.seeds[0])
            trials[name][str(rate)] = float(np.mean([row.dice for row in rows]))
            seconds = time.perf_counter() - start
            print(f"{sides.spec.code} {name} {rate:g}: validation {trials[name][str(rate)]:.4f} ({seconds:.0f} s)", flush=True)  # fmt: skip # noqa: E501
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(trials, indent=1))
    return {name: float(max(found, key=found.__getitem__)) for name, found in trials.items()}


def test_rows(study: Study, sides: Sides, rates: dict[str, float]) -> Iterator[Row]:
    """Rows of the zero-shot model, the trivial answers, and every method and seed on the test part."""  # noqa: E501
    yield from _scored(study, sides, "zero_shot", False, 0, None)
    for method, orchestrate in METHODS:
        rate = rates[series_name(method, orchestrate)]
        for seed in study.seeds:
            yield from _scored(study, sides, method, orchestrate, seed, rate)


def _scored(
    study: Study, sides: Sides, method: str, orchestrate: bool, seed: int, rate: float | None
) -> list[Row]:
    name = series_name(method, orchestrate).replace(" ", "_")
    file = study.out / sides.spec.code / f"{name}_seed{seed}.csv"
    if not file.is_file():
        if rate is None:
            model = build_adapted_sam("small", study.sam_checkpoint, method="freeze")
        else:
            model = train(study, sides, method, orchestrate, rate, seed)
        write_csv(evaluate(model, sides, sides.test, seed), file)
        print(f"{sides.spec.code} {name} seed {seed}: done", flush=True)
    return read_csv(file)


def compare(rows: Sequence[Row], code: str) -> list[dict[str, Any]]:
    """Mean Dice over targets and seeds, and the paired gain over zero-shot by picture.

    The gain's standard error is over pictures: a picture's value is the mean over its targets and
    the seeds, so that seeds do not count as patients. ``deviation`` is over the seeds' means.
    """
    by_picture: dict[str, dict[str, list[float]]] = {}
    by_seed: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        name = series_name(row.method, row.orchestrate)
        by_picture.setdefault(name, {}).setdefault(row.case, []).append(row.dice)
        by_seed.setdefault(name, {}).setdefault(row.seed, []).append(row.dice)
    base = {case: np.mean(found) for case, found in by_picture["zero shot"].items()}
    table = []
    for name, pictures in by_picture.items():
        means = [float(np.mean(found)) for found in by_seed[name].values()]
        gains = np.array([np.mean(found) - base[case] for case, found in pictures.items()])
        error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
        table.append({
            "dataset": code, "answer": name, "seeds": len(means), "pictures": len(gains),
            "dice": float(np.mean(means)),
            "deviation": float(np.std(means, ddof=1)) if len(means) > 1 else 0.0,
            "gain": float(gains.mean()), "standard_error": error,
        })  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--datasets", default="BRAST,SONAR")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--targets", type=int, default=4, help="a picture and step, at most")
    parser.add_argument("--sam-checkpoint", default=None)
    given = parser.parse_args()
    study = Study(given.data_dir, given.out, tuple(range(given.seeds)), given.steps,
                  given.batch_size, given.targets, given.sam_checkpoint)  # fmt: skip
    for code in given.datasets.split(","):
        sides = Sides.of(code, study.data_dir)
        counts = [len(part) for part in (sides.training, sides.validation, sides.test)]
        print(f"{code}: {counts} pictures in training, validation, test", flush=True)
        rates = choose_rates(study, sides)
        table = compare(list(test_rows(study, sides, rates)), code)
        with (study.out / f"{code}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
        print(f"| {code} | Dice ± deviation of seeds | gain ± standard error | rate |")
        print("| --- | --- | --- | --- |")
        for line in table:
            print(
                f"| {line['answer']} | {line['dice']:.4f} ± {line['deviation']:.4f} "
                f"| {line['gain']:+.4f} ± {line['standard_error']:.4f} "
                f"| {rates.get(line['answer'], '')} |"
            )


if __name__ == "__main__":
    main()
