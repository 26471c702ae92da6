"""A config's values, checked before any work is done."""

from __future__ import annotations

import difflib
import inspect
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import run

from monai_cobot.bundle.errors import started_by_monai
from monai_cobot.errors import CobotError, require_whole

WHOLE = {  # lowest allowed value
    "seed": 0,
    "epochs": 1,
    "batch_size": 1,
    "val_interval": 1,
    "checkpoint_interval": 1,
    "num_workers": 0,
    "prompt_chunk": 1,
    "accumulation": 1,
    "folds": 2,
    "fold": 0,
}


def flag(name: str, value: object) -> bool:
    """A yes-or-no id, also as the command line gives it: ``--overwrite false`` is a string there.

    Raises:
        CobotError: neither true nor false.
    """
    word = str(value).lower()
    if word not in ("true", "false"):
        raise CobotError(f"{name}={value!r}: choose true or false")
    return word == "true"


def is_none(value: object) -> bool:
    """Whether an id is not set, also as the command line gives it: ``--memory null`` is a string.

    The empty string and ``none`` are taken for it too.
    """
    return value in (None, "", "none", "null")


def optional_folder(value: str | Path | None) -> Path | None:
    """An id's folder, absolute, which need not exist; None where the id is not set."""
    return None if is_none(value) else Path(str(value)).expanduser().resolve()


def check_settings(**values: Any) -> None:
    """Refuses numbers that are none or out of range, and ids that no config knows.

    Args:
        values: ids and their values; whole numbers by the table above, ``weight_decay`` at least 0,
            ``split_file`` no folder, ``folds`` None or more than ``fold``.

    Raises:
        CobotError: names the first value that is refused, or an unknown id of the command line.
    """
    for name, value in values.items():
        if name == "folds" and value is None:
            if values.get("fold"):
                raise CobotError(f"fold={values['fold']!r} without folds: give --folds 5 too")
        elif name in WHOLE:
            require_whole(name, value, WHOLE[name])
        elif name == "weight_decay":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value < math.inf:
                raise CobotError(f"{name}={value!r}: give a number of at least 0")
        elif name == "split_file" and Path(value).expanduser().is_dir():
            raise CobotError(f"split_file {value} is a folder: give the name of a JSON file")
    if "val_interval" in values and values["val_interval"] > values.get("epochs", math.inf):
        raise CobotError(
            f"val_interval={values['val_interval']} is more than epochs={values['epochs']}: there "
            "would be no validation"
        )
    folds, fold = values.get("folds"), values.get("fold", 0)
    if folds is not None and fold >= folds:
        raise CobotError(f"fold={fold} of folds={folds}: give a fold from 0 to {folds - 1}")
    if started_by_monai():
        check_ids(sys.argv[1:])


def check_ids(arguments: list[str]) -> None:
    """Refuses a top-level id on the command line that neither the configs nor MONAI know.

    MONAI adds unknown ids without a word, so that ``--learning_rate 1`` would change nothing.

    Args:
        arguments: of ``python -m monai.bundle run``.

    Raises:
        CobotError: names the id, and the one that was probably meant.
    """
    given: dict[str, str] = {}
    for position, argument in enumerate(arguments):
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            following = arguments[position + 1 : position + 2]
            given[name] = value if equals else "".join(following)
    if "config_file" not in given or "args_file" in given:
        return  # MONAI reads the ids from another file
    known = {*inspect.signature(run).parameters, *_config_ids(given["config_file"])}
    for name in given:
        top = name.partition("#")[0].partition("::")[0]
        if top not in known:
            close = difflib.get_close_matches(top, known, n=1)
            hint = f"did you mean --{close[0]}?" if close else "see the ids in the config file"
            raise CobotError(f"unknown id --{top}: {hint}")


def _config_ids(config_file: str) -> set[str]:
    listed = config_file.strip().startswith(("[", "("))
    files = yaml.safe_load(config_file.strip("()")) if listed else [config_file]
    ids: set[str] = set()
    for file in files if isinstance(files, list) else [files]:
        content = yaml.safe_load(Path(str(file)).read_text())
        if isinstance(content, Mapping):
            ids |= {str(key).partition("#")[0] for key in content}
    return ids
