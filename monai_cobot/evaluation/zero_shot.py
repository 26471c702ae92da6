"""The base model as it is, on real data that it never saw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from monai_cobot.data import datasets
from monai_cobot.errors import CobotError
from monai_cobot.evaluation.cases import evaluate_cases
from monai_cobot.metrics import Row, Run, series_name, write_csv
from monai_cobot.sam import BaseModel, predict_masks
from monai_cobot.transforms import BoxJitter

SUBSETS = ("BRAST", "SONAR", "NWPU", "COCO", "TRCAN", "MOMO", "ADOME")
JITTERS: tuple[Mapping[str, Any] | None, ...] = (
    None,
    {"mode": "proportional", "size": 0.1},
    {"mode": "symmetric", "size": 50},
)
"""Exact boxes, a tenth of the box's side, and 50 px at 1024: each side in or out."""


@dataclass(frozen=True)
class ZeroShotScore:
    """Mean Dice of one answer on one dataset.

    ``targets``: instances of pictures, organs of volumes, those without a defined Dice left out;
    ``deviation`` is over them, ``patients`` are the groups that they come from.
    """

    dataset: str
    box_jitter: str
    answer: str
    dice: float
    deviation: float
    targets: int
    patients: int


class PlainSAM(torch.nn.Module):
    """SAM as the evaluation calls networks: image and boxes to masks."""

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.sam = sam.eval()

    def forward(self, image: Tensor, boxes: Sequence[Tensor] | None = None) -> Tensor:
        """Masks of every box; see :func:`~monai_cobot.sam.promptable.predict_masks`."""
        return predict_masks(self.sam, image, boxes)


def zero_shot(
    sam: Sam,
    base: BaseModel,
    data_dir: str | Path,
    subsets: Sequence[str] = SUBSETS,
    output_dir: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Iterator[ZeroShotScore]:
    """Mean Dice of SAM, filled box and ellipse for each jitter, a dataset after the other.

    Nothing is tuned and nothing is trained, so every labelled case is taken.

    Args:
        sam: the network.
        base: its identity.
        data_dir: holds a folder a dataset, named by its code.
        subsets: codes of datasets.
        output_dir: gets ``<code>/metrics.csv``.
        seed: of the jitter.
        progress: show bars.

    Raises:
        CobotError: a folder that is missing, or an unknown dataset.
    """
    root = Path(data_dir).expanduser()
    missing = [code for code in subsets if not (root / datasets.get(code).code).is_dir()]
    if missing:
        raise CobotError(f"{root} has no folder {', '.join(missing)}: give others in --subsets")
    for code in subsets:
        spec = datasets.get(code)
        cases = spec.find_cases(root / code)
        rows: list[Row] = []
        for setting in JITTERS:
            jitter = BoxJitter.from_mapping(setting, base.image_size)
            run = Run(
                method="zero_shot",
                orchestrate=False,
                seed=seed,
                split_hash="",
                split_by="patient",
                image_size=base.image_size,
                sam=base.sam,
                weights=base.weights,
                box_jitter=str(jitter),
            )
            found = evaluate_cases(PlainSAM(sam), spec, cases, run, jitter, seed, progress)
            rows += found
            yield from mean_scores(code, found)
        if output_dir is not None:
            write_csv(rows, Path(output_dir).expanduser() / code / "metrics.csv")


def mean_scores(code: str, rows: Sequence[Row]) -> list[ZeroShotScore]:
    """Means over the rows' targets, an answer and jitter each."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not math.isnan(row.dice):
            name = series_name(row.method, row.orchestrate)
            groups.setdefault((row.box_jitter, name), []).append(row)
    return [
        ZeroShotScore(
            dataset=code,
            box_jitter=jitter,
            answer=answer,
            dice=float(np.mean([row.dice for row in found])),
            deviation=float(np.std([row.dice for row in found], ddof=1)) if len(found) > 1 else 0.0,
            targets=len(found),
            patients=len({row.patient for row in found}),
        )
        for (jitter, answer), found in groups.items()
    ]


def as_rows(scores: Sequence[ZeroShotScore]) -> list[dict[str, Any]]:
    """Plain values, for JSON."""
    return [asdict(score) for score in scores]
