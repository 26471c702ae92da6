"""The steps before a bundle's training, in the order in which work could be lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import monai_cobot
from monai_cobot.bundle.run_folder import RunFolder
from monai_cobot.data.split_file import Split
from monai_cobot.errors import CobotError
from monai_cobot.handlers import SavePredictions, clear_evaluation
from monai_cobot.sam import CobotSAM


def open_run(
    output_dir: str | Path,
    network: CobotSAM,
    split: Split,
    resume: str,
    overwrite: bool,
    **settings: Any,
) -> RunFolder:
    """The run's folder with what tells this run from another; nothing is written yet.

    Args:
        output_dir: folder of the run.
        network: its base model and method are part of the configuration.
        split: likewise, by its hash.
        resume: ``auto`` or ``never``.
        overwrite: whether another run in the folder is replaced.
        settings: all else that changes the result: epochs, rates, jitter, seed, ….
    """
    base = network.base.to_dict()
    del base["weights"]  # a file's name; the hash says which weights they are
    configuration = {
        **settings,
        **{f"base_{key}": value for key, value in base.items()},
        "version": monai_cobot.__version__,
        "method": network.method,
        "options": network.options,
        "orchestrate": network.orchestrated,
        "orchestration": network.orchestration,
        "split_hash": split.hash,
    }
    return RunFolder(output_dir, configuration, resume, overwrite)


def check_run(run: RunFolder) -> None:
    """Decides whether the run starts, continues or is refused; see :meth:`RunFolder.check`."""
    run.check()


def check_outputs(
    output_dir: str | Path, cases: Sequence[Mapping[str, Any]], overwrite: bool
) -> None:
    """Refuses an inference that would replace earlier predictions, before any work is done."""
    SavePredictions(output_dir, overwrite).check(cases)


def begin_run(run: RunFolder, split: Split, split_file: str | Path) -> None:
    """Makes the run's folder and writes the split; called when all checks have passed.

    Raises:
        CobotError: the split file cannot be written; a run that was to be replaced still stands.
    """
    file = Path(split_file).expanduser()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        run.clear()
        split.save(file)
    except OSError as error:
        raise CobotError(f"split_file {file} cannot be written ({error}): name another") from error
    run.begin()


def begin_evaluation(
    output_dir: str | Path, cases: Sequence[Mapping[str, Any]], overwrite: bool
) -> None:
    """Refuses an evaluation without cases; clears the one that is replaced.

    Raises:
        CobotError: the split has no test part.
    """
    if not cases:
        raise CobotError("the split has no test part: name a split_file that has one")
    if overwrite:
        clear_evaluation(output_dir)
