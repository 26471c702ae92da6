"""The steps before a bundle's training, in the order in which work could be lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist

import monai_cobot
from monai_cobot.bundle.config import hash_configuration, written_configuration
from monai_cobot.bundle.data import hash_files
from monai_cobot.bundle.run_folder import SPLIT, RunFolder
from monai_cobot.data.split_file import Split
from monai_cobot.errors import CobotError
from monai_cobot.handlers import SavePredictions, clear_evaluation
from monai_cobot.sam import CobotSAM

SAME_RESULT = (
    "bundle_root", "cache_dir", "checkpoint_interval", "dataset_dir", "device", "feature_cache",
    "num_workers", "organ_table", "output_dir", "overwrite", "resume", "sam_checkpoint",
    "slice_batch", "split_file",
)  # fmt: skip
"""Ids that do not change what is computed, or whose content is hashed in their stead."""


def open_run(
    output_dir: str | Path,
    network: CobotSAM,
    split: Split,
    cases: Sequence[Mapping[str, Any]],
    resume: str,
    overwrite: bool,
    **settings: Any,
) -> RunFolder:
    """The run's folder with what tells this run from another; nothing is written yet.

    Args:
        output_dir: folder of the run.
        network: its base model, method and prompts are part of the configuration.
        split: likewise, by its hash.
        cases: likewise, by the hash of their files.
        resume: ``auto`` or ``never``.
        overwrite: whether another run in the folder is replaced.
        settings: all else that is worth reading: epochs, rates, jitter, seed, …. What is not
            named counts too, by the hash of the config.
    """
    written = written_configuration(without=SAME_RESULT)
    base = network.base.to_dict()
    del base["weights"]  # a file's name; the hash says which weights they are
    configuration = {
        **settings,
        **{f"base_{key}": value for key, value in base.items()},
        "version": monai_cobot.__version__,
        "method": network.method,
        "prompts": network.prompts,
        "processes": idist.get_world_size(),
        "options": network.options,
        "orchestrate": network.orchestrated,
        "orchestration": network.orchestration,
        "split_hash": split.hash,
        "files_sha256": hash_files([dict(case) for case in cases]),
        "config_sha256": hash_configuration(written),
    }
    return RunFolder(output_dir, configuration, resume, overwrite, written)


def check_run(run: RunFolder) -> None:
    """Decides whether the run starts, continues or is refused; see :meth:`RunFolder.check`."""
    run.check()


def check_outputs(handlers: Sequence[object], cases: Sequence[Mapping[str, Any]]) -> None:
    """Refuses an inference that would replace earlier predictions, before any work is done."""
    for handler in handlers:
        if isinstance(handler, SavePredictions):
            handler.check(cases)


def begin_run(run: RunFolder, split: Split, split_file: str | Path) -> None:
    """Makes the run's folder and writes the split; called when all checks have passed.

    The split goes to ``split_file`` where that does not exist (a user's own file stays as it is)
    and to the run's folder in any case.

    Of several processes the first one does it; the others have looked at the folder by then, and
    wait until it is there.

    Raises:
        CobotError: the split file cannot be written.
    """
    idist.barrier()
    if idist.get_rank() == 0:
        _begin(run, split, Path(split_file).expanduser().resolve())
    idist.barrier()


def _begin(run: RunFolder, split: Split, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        run.clear()
        _save_split(split, file)
        run.begin()
        _save_split(split, run.path / SPLIT)
    except OSError as error:
        raise CobotError(f"split_file {file} cannot be written ({error}): name another") from error


def begin_evaluation(
    output_dir: str | Path,
    cases: Sequence[Mapping[str, Any]],
    overwrite: bool,
    split: Split,
    split_file: str | Path,
) -> None:
    """Refuses an evaluation without cases; clears the one that is replaced, and keeps its split.

    Of several processes the first one does it, when all have looked at the folder.

    Raises:
        CobotError: the split has no test part.
    """
    if not cases:
        raise CobotError("the split has no test part: name a split_file that has one")
    idist.barrier()
    if idist.get_rank() == 0:
        if overwrite:
            clear_evaluation(output_dir)
        _save_split(split, Path(split_file).expanduser())
    idist.barrier()


def _save_split(split: Split, file: Path) -> None:
    if not file.exists():
        split.save(file)
