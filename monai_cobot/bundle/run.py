"""The steps before a bundle's training, in the order in which work could be lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_cobot.bundle.errors import clear_errors
from monai_cobot.bundle.run_folder import RunFolder
from monai_cobot.data.split_file import Split
from monai_cobot.errors import CobotError
from monai_cobot.handlers import SavePredictions, refuse_earlier_evaluation
from monai_cobot.sam import CobotSAM

check_evaluation = clear_errors(refuse_earlier_evaluation)


@clear_errors
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
    configuration = {
        **settings,
        **{f"base_{key}": value for key, value in network.base.to_dict().items()},
        "method": network.method,
        "options": network.options,
        "orchestrate": network.orchestrated,
        "orchestration": network.orchestration,
        "split_hash": split.hash,
    }
    return RunFolder(output_dir, configuration, resume, overwrite)


@clear_errors
def check_counts(**counts: int) -> None:
    """Refuses a number of epochs, slices or iterations that is not a whole number of at least 1."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise CobotError(f"{name}={count!r}: give a whole number of at least 1")


@clear_errors
def check_run(run: RunFolder) -> None:
    """Decides whether the run starts, continues or is refused; see :meth:`RunFolder.check`."""
    run.check()


@clear_errors
def check_outputs(
    output_dir: str | Path, cases: Sequence[Mapping[str, Any]], overwrite: bool
) -> None:
    """Refuses an inference that would replace earlier predictions, before any work is done."""
    SavePredictions(output_dir, overwrite).check(cases)


@clear_errors
def begin_run(run: RunFolder, split: Split, split_file: str | Path) -> None:
    """Makes the run's folder and writes the split; called when all checks have passed."""
    run.begin()
    split.save(Path(split_file).expanduser())
