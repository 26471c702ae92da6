"""Whether what a run leaves is there and can be read, before it counts as finished."""

from __future__ import annotations

import json
import math
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_cobot.bundle import adapter_file
from monai_cobot.comparison import step_cost
from monai_cobot.errors import CobotError
from monai_cobot.metrics import read_csv
from monai_cobot.sam import read_manifest

VALIDATION_DICE = "validation_dice"


class BrokenRunError(Exception):
    """A run of the comparison that failed or is damaged; the message names it and the remedy."""


def check_training(folder: Path) -> None:
    """Read a training's adapter, validation scores and costs.

    Raises:
        BrokenRunError: one is missing or cannot be read.
    """
    best_dice(folder)
    try:
        read_manifest(adapter_file(folder) or folder)
        json.loads((folder / step_cost.FILE).read_text())["seconds_per_step"]
    except (CobotError, OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenRunError(f"{folder} holds no whole training ({error})") from None


def check_evaluation(folder: Path) -> None:
    """Read an evaluation's scores.

    Raises:
        BrokenRunError: there are none, or they cannot be read.
    """
    try:
        rows = read_csv(folder / "metrics.csv")
    except (CobotError, UnicodeDecodeError) as error:
        raise BrokenRunError(f"{folder} holds no whole evaluation ({error})") from None
    if not rows:
        raise BrokenRunError(f"{folder} holds no whole evaluation (metrics.csv has no row)")


def best_dice(folder: Path) -> float:
    """The best validation Dice over the epochs, from the run's TensorBoard files.

    Raises:
        BrokenRunError: there is none.
    """
    values: list[float] = []
    for file in sorted((folder / "tensorboard").glob("events*")):
        events = EventAccumulator(str(file))
        try:
            events.Reload()
        except Exception as error:  # TensorBoard's parsers raise what they like
            raise BrokenRunError(f"{file} cannot be read ({type(error).__name__})") from None
        if VALIDATION_DICE in events.Tags()["scalars"]:
            values += [float(event.value) for event in events.Scalars(VALIDATION_DICE)]
    if not values:
        raise BrokenRunError(f"{folder} has no validation Dice")
    return max((value for value in values if not math.isnan(value)), default=math.nan)
