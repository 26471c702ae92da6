"""Fine-tune the shipped small SAM on pictures, with every method, and compare on the test part.

    python benchmarks/fine_tune_small_sam.py --data-dir DATA --out OUT [--datasets BRAST,SONAR]

DATA holds a folder a dataset. The rate of every method is chosen by the mean Dice on the validation
part (seed 0): three rates, and the next one of the ladder as long as the best stands at an end.
Then each method is trained with its rate and every seed, and the test part is read once. Boxes are
moved by up to 50 px at 1024, each side in or
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

import numpy as np
import torch
from monai.losses import DiceCELoss
from paired_gains import compare
from safetensors.torch import load_model, save_model
from torch.utils.data import DataLoader

from monai_cobot.data import datasets
from monai_cobot.data.sampler import ResumableBatchSampler
from monai_cobot.data.slices import ImageDataset, collate_slices
from monai_cobot.data.spec import Case, DatasetSpec, target_instances
from monai_cobot.data.splits import make_split
from monai_cobot.evaluation import BoxEvaluation
from monai_cobot.inferers import prepare_slices
from monai_cobot.metrics import Row, Run, read_csv, series_name, write_csv
from monai_cobot.sam import CobotSAM, LossNetwork, build_adapted_sam
from monai_cobot.transforms import BoxJitter, image_transforms, slice_transforms
from monai_cobot.whole_file import whole_file

JITTER = {"mode": "symmetric", "size": 50}
LADDER = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
FIRST_RATES = LADDER[2:5]
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
        split = make_split(cases, SPLIT_SEED, test_share=spec.test_share)
        parts = [split.items(cases, side) for side in ("training", "validation", "test")]
        return cls(spec, *parts, split_hash=split.hash)


def train(
    study: Study, sides: Sides, method: str, orchestrate: bool, rate: float, seed: int
) -> CobotSAM:
    """One training of a fixed number of steps at a constant rate; one that was done is read."""
    model = build_adapted_sam(
        "small", study.sam_checkpoint, method=method, orchestrate=orchestrate, seed=seed
    )
    name = series_name(method, orchestrate).replace(" ", "_")
    done = study.out / sides.spec.code / "trained" / f"{name}_{rate:g}_seed{seed}.safetensors"
    if done.is_file():
        load_model(model, done)
        return model.eval()
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
    trained = LossNetwork(model, loss_function, chunk=study.targets).train()
    for step, batch in zip(range(study.steps), loader, strict=False):
        torch.manual_seed(seed * 1_000_003 + step)
        images, _, _, prompts = prepare_slices(batch, torch.device("cpu"))
        loss = trained(images, **prompts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with whole_file(done) as file:
        save_model(model, str(file))
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
        tried = trials.setdefault(name, {})
        while rate := next_rate({float(rate): dice for rate, dice in tried.items()}):
            start = time.perf_counter()
            model = train(study, sides, method, orchestrate, rate, study.seeds[0])
            rows = evaluate(model, sides, sides.validation, study.seeds[0])
            tried[str(rate)] = float(np.mean([row.dice for row in rows]))
            seconds = time.perf_counter() - start
            print(
                f"{sides.spec.code} {name} {rate:g}: validation {tried[str(rate)]:.4f} "
                f"({seconds:.0f} s)",
                flush=True,
            )
            with whole_file(file) as written:
                written.write_text(json.dumps(trials, indent=1))
    return {name: float(max(found, key=found.__getitem__)) for name, found in trials.items()}


def next_rate(tried: dict[float, float]) -> float | None:
    """The rate to try next: the first ones, then outwards while the best stands at an end."""
    for rate in FIRST_RATES:
        if rate not in tried:
            return rate
    best = LADDER.index(max(tried, key=tried.__getitem__))
    beside = [LADDER[i] for i in (best - 1, best + 1) if 0 <= i < len(LADDER)]
    return next((rate for rate in beside if rate not in tried), None)


def test_rows(study: Study, sides: Sides, rates: dict[str, float]) -> Iterator[Row]:
    """Rows of zero shot, the trivial answers, and every method and seed, on the test part."""
    yield from _scored(study, sides, "zero_shot", False, 0, None)
    for method, orchestrate in METHODS:
        rate = rates[series_name(method, orchestrate)]
        for seed in study.seeds:
            yield from _scored(study, sides, method, orchestrate, seed, rate)


def _scored(
    study: Study, sides: Sides, method: str, orchestrate: bool, seed: int, rate: float | None
) -> list[Row]:
    name = series_name(method, orchestrate).replace(" ", "_")
    rated = name if rate is None else f"{name}_{rate:g}"
    file = study.out / sides.spec.code / f"{rated}_seed{seed}.csv"
    if not file.is_file():
        if rate is None:
            model = build_adapted_sam("small", study.sam_checkpoint, method="freeze")
        else:
            model = train(study, sides, method, orchestrate, rate, seed)
        write_csv(evaluate(model, sides, sides.test, seed), file)
        print(f"{sides.spec.code} {name} seed {seed}: done", flush=True)
    return read_csv(file)


def remember(study: Study, sides: Sides) -> None:
    """Keep what the results depend on; SystemExit where those in the folder depend on other."""
    base = build_adapted_sam("small", study.sam_checkpoint, method="freeze").base
    made_of = {
        "steps": study.steps, "batch_size": study.batch_size, "targets": study.targets,
        "box_jitter": JITTER, "orchestration_factor": ORCHESTRATION_FACTOR,
        "split": sides.split_hash, "weights": base.sha256,
    }  # fmt: skip
    file = study.out / sides.spec.code / "study.json"
    if file.is_file() and json.loads(file.read_text()) != made_of:
        raise SystemExit(f"{file} is of another study: give another --out, or the same settings")
    with whole_file(file) as written:
        written.write_text(json.dumps(made_of, indent=1))


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
        remember(study, sides)
        rates = choose_rates(study, sides)
        table = compare(list(test_rows(study, sides, rates)), code)
        with (study.out / f"{code}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
        print(f"| {code} | Dice ± deviation of seeds | gain ± standard error | rate |")
        print("| --- | --- | --- | --- |")
        for line in table:
            dice = f"{line['dice']:.4f} ± {line['deviation']:.4f}" if "dice" in line else ""
            print(
                f"| {line['answer']} | {dice} "
                f"| {line['gain']:+.4f} ± {line['standard_error']:.4f} "
                f"| {rates.get(line['answer'], '')} |"
            )


if __name__ == "__main__":
    main()
