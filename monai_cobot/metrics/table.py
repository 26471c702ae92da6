"""`metrics.csv`: a row a case and organ, or of a picture a row an instance."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from monai_cobot.errors import CobotError
from monai_cobot.metrics.paper import PooledScore
from monai_cobot.metrics.trivial import TRIVIAL_ANSWERS
from monai_cobot.metrics.volume import OrganScore
from monai_cobot.whole_file import whole_file

CLINICAL = "clinical"
PAPER = "paper"
POOLED = "pooled"
BOX = "box"
ORGAN = "organ"
EXACT = "exact"  # boxes that are not perturbed, as `Run.box_jitter` says
_NAMES = {
    "lightweight": "decoder only",
    "lora": "LoRA",
    "adaptformer": "Adaptformer",
    "dora": "DoRA",
    "bitfit": "BitFit",
    "ssf": "SSF",
    "vpt": "VPT",
    "lst": "LST",
    "full": "full fine-tuning",
}


@dataclass(frozen=True)
class Run:
    """The columns that all rows of one model share.

    Attributes:
        method: name of the method, or `filled_box` or `ellipse`.
        orchestrate: whether the method was orchestrated.
        seed: seed of the training.
        split_hash: hash of the split that kept training and test apart.
        split_by: `patient`, or `slice`, which leaks.
        image_size: side of SAM's input in pixels.
        sam: `vit_b`, `vit_l`, `vit_h`, `small`.
        weights: where the base weights came from, such as a file name or `random`.
        box_jitter: how the prompts of the evaluation were perturbed, such as `outward 50`, or
            `exact`.
    """

    method: str
    orchestrate: bool
    seed: int
    split_hash: str
    split_by: str
    image_size: int
    sam: str
    weights: str
    box_jitter: str

    def trivial(self, kind: str) -> Run:
        """Give the columns of a trivial answer to the same prompts: no SAM, no weights."""
        return replace(self, method=kind, orchestrate=False, sam="", weights="")


@dataclass(frozen=True)
class Row:
    """One row of `metrics.csv`; the fields are its columns, in order.

    Distances are in mm or voxels (px), Dice and IoU between 0 and 1; see `volume.py` for NaN and
    inf. `instance` is the id of an instance of a picture, whose class is in `organ`; of volumes it
    is empty.
    """

    case: str
    patient: str
    organ: str
    instance: str
    protocol: str
    prompts: str
    dice: float
    iou: float
    surface_dice: float
    surface_tolerance_mm: float
    hd95_mm: float
    hd95_px: float
    true_voxels: int
    predicted_voxels: int
    method: str
    orchestrate: bool
    seed: int
    split_hash: str
    split_by: str
    image_size: int
    sam: str
    weights: str
    box_jitter: str
    dice_present_slices: float = math.nan
    false_ml_absent_slices: float = math.nan

    @property
    def series(self) -> str:
        """The method as tables and figures call it."""
        return series_name(self.method, self.orchestrate, self.prompts)

    @property
    def trivial(self) -> bool:
        """Whether the prompts alone gave the answer."""
        return self.method in TRIVIAL_ANSWERS


def series_name(method: str, orchestrate: bool, prompts: str = BOX) -> str:
    """Name a method as tables and figures call it, such as `LoRA + orchestration`."""
    name = _NAMES.get(method, method.replace("_", " "))
    name = f"{name} + orchestration" if orchestrate else name
    return name if prompts == BOX else f"{name}, {prompts} prompts"


def volume_rows(
    scores: Iterable[OrganScore], run: Run, *, case: str, patient: str, prompts: str = BOX
) -> list[Row]:
    """Make the clinical rows of one volume, one an organ."""
    place: dict[str, Any] = {
        "case": case,
        "patient": patient,
        "instance": "",
        "protocol": CLINICAL,
        "prompts": prompts,
    }
    return [Row(**place, **asdict(score), **asdict(run)) for score in scores]


def pooled_rows(scores: Iterable[PooledScore], run: Run, *, prompts: str = BOX) -> list[Row]:
    """Make the rows of the paper's protocol, one an organ; the case is `pooled`."""
    return [
        Row(
            case=POOLED,
            patient="",
            organ=score.organ,
            instance="",
            protocol=PAPER,
            prompts=prompts,
            dice=score.dice,
            iou=score.iou,
            surface_dice=math.nan,
            surface_tolerance_mm=math.nan,
            hd95_mm=math.nan,
            hd95_px=math.nan,
            true_voxels=score.true_pixels,
            predicted_voxels=score.predicted_pixels,
            **asdict(run),
        )
        for score in scores
    ]


def write_csv(rows: Sequence[Row], path: str | Path) -> None:
    """Write rows; NaN is an empty field, infinity `inf`. The file appears whole or not at all."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[field.name for field in fields(Row)])
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _to_text(value) for name, value in asdict(row).items()})


def read_csv(path: str | Path) -> list[Row]:
    """Read what :func:`write_csv` wrote; columns that are not known are ignored.

    Raises:
        CobotError: the file is missing, lacks a column, or has a value that cannot be read.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [
                field.name
                for field in fields(Row)
                if field.default is MISSING and field.name not in (reader.fieldnames or ())
            ]
            if missing:
                raise CobotError(f"{path} lacks the columns {missing}: write it by an evaluation")
            return [
                Row(
                    **{
                        field.name: _from_text(line, field.name, str(field.type), path, number)
                        for field in fields(Row)
                    }
                )
                for number, line in enumerate(reader, start=2)
            ]
    except OSError as error:
        raise CobotError(f"{path} cannot be read ({error.strerror}): run the evaluation") from error


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isnan(value):
        return ""
    return str(value)


def _from_text(
    line: dict[str, str | None], name: str, kind: str, path: str | Path, number: int
) -> Any:
    text = line.get(name) or ""
    try:
        if kind == "float":
            return float(text) if text else math.nan
        if kind == "bool":
            return {"true": True, "false": False}[text]
        return int(text) if kind == "int" else text
    except (ValueError, KeyError) as error:
        raise CobotError(
            f"{path}, line {number}: {name} is {text!r}, not of type {kind}: mend the line or "
            "run the evaluation again"
        ) from error
