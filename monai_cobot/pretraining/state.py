"""The folder of a run: its state, and the tables beside it."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from monai_cobot.errors import CobotError
from monai_cobot.pretraining.config import PretrainingConfig
from monai_cobot.whole_file import whole_file

STATE = "state.pt"
HISTORY = "history.csv"
HELD_OUT = "held_out.csv"

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class State:
    """Where a run stands: all that the next step depends on, and the tables so far.

    Attributes:
        config: the recipe.
        step: how many steps are done.
        stage: number of the stage that the network is built for.
        network: the state dict of the SAM.
        optimizer: the optimiser's own.
        history: rows of ``history.csv``.
        scores: rows of ``held_out.csv``.
    """

    config: PretrainingConfig
    step: int
    stage: int
    network: dict[str, Any]
    optimizer: dict[str, Any]
    history: list[dict[str, Any]]
    scores: list[dict[str, Any]]


def open_folder(path: str | Path) -> Path:
    """The folder of a run, made where it is missing.

    Raises:
        CobotError: it cannot be made, or holds results of a run whose state is gone.
    """
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CobotError(f"{folder} cannot be a folder ({error.strerror}): give another") from error
    if not (folder / STATE).is_file():
        left = sorted(file.name for file in (*folder.glob("*.csv"), *folder.glob("*.safetensors")))
        if left:
            raise CobotError(
                f"{folder} holds {', '.join(left)} but no {STATE} to go on from: give another "
                "folder, or move these files away"
            )
    return folder


def read_state(folder: Path) -> State | None:
    """The state in a folder; None where there is none.

    Raises:
        CobotError: the file is no state, or one that this version does not understand.
    """
    file = folder / STATE
    if not file.is_file():
        return None
    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
        return State(
            config=PretrainingConfig.complete(stored["config"]),
            step=int(stored["step"]),
            stage=int(stored["stage"]),
            **{name: stored[name] for name in ("network", "optimizer", "history", "scores")},
        )
    except CobotError as error:
        raise CobotError(f"{file} has another version's settings ({error}): {_REMEDY}") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, LookupError, TypeError,
            ValueError) as error:  # fmt: skip
        raise unreadable(folder, error) from error


def unreadable(folder: Path, error: Exception) -> CobotError:
    """The user's error for a state that does not load."""
    return CobotError(f"{folder / STATE} cannot be read ({type(error).__name__}): {_REMEDY}")


def write_state(folder: Path, state: State) -> None:
    """Write the state and then the tables, each whole or not at all.

    Whatever breaks in between, the state is a run's that can go on, and its next writing mends the
    tables.
    """
    with whole_file(folder / STATE) as file:
        torch.save({**vars(state), "config": state.config.to_dict()}, file)
    _write_table(folder / HISTORY, state.history)
    _write_table(folder / HELD_OUT, state.scores)


_REMEDY = "give another folder, or move the files of this one away to train anew"


def _write_table(path: Path, rows: Rows) -> None:
    """Write rows as CSV; a column that a row lacks is empty, no row is no file."""
    if not rows:
        return
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)
