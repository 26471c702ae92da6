"""Who is drawn for which side: by a hash of seed and name, the same everywhere."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence

from monai.data import partition_dataset

from monai_cobot.data.split_file import Names
from monai_cobot.errors import CobotError

_log = logging.getLogger(__name__)


def draw(
    units: Sequence[str], seed: int, fraction: float, by: str, test_share: float | None = None
) -> tuple[Names, Names, Names]:
    """Draw training, validation and test part of ``units``, each sorted.

    The test is ``test_share`` of them (None: ``fraction``), and ``fraction`` of the rest are the
    validation.

    Raises:
        CobotError: fewer than two units.
    """
    if len(units) < 2:
        raise CobotError(
            f"a split needs at least two {by}s, found {len(units)} ({', '.join(units) or 'none'}): "
            "add cases, or name a split_file of your own"
        )
    order = in_order(units, seed)
    tests = share(len(order), fraction if test_share is None else test_share)
    if len(order) < 3:
        _log.warning(
            "fewer than three %ss: there is no validation part, the last checkpoint is kept", by
        )
        chosen = 0
    else:
        chosen = share(len(order) - tests, fraction)
    test, validation, training = (
        order[:tests],
        order[tests : tests + chosen],
        order[tests + chosen :],
    )
    return tuple(sorted(training)), tuple(sorted(validation)), tuple(sorted(test))


def draw_fold(
    patients: Sequence[str], seed: int, fraction: float, folds: int, fold: int
) -> tuple[Names, Names, Names]:
    """Draw training, validation and test part of one fold, each sorted.

    The patients in the order of the draw are dealt out to ``folds`` test parts, whose sizes differ
    by one at most; over all folds each patient is tested on once. A fold's validation is
    ``fraction`` of its other patients, at least one, beginning with the next fold's test part, so
    that not all folds are chosen on the same patients. Of one other patient there is none.

    Raises:
        CobotError: fewer than two folds, fewer patients than folds, no such fold.
    """
    if folds < 2 or not 0 <= fold < folds:
        raise CobotError(
            f"fold {fold} of {folds} folds: give at least 2 folds, and a fold from 0 to folds - 1"
        )
    if len(patients) < folds:
        raise CobotError(
            f"{folds} folds need {folds} patients, found {len(patients)} "
            f"({', '.join(sorted(patients)) or 'none'}): add cases, or set folds lower"
        )
    parts = partition_dataset(in_order(patients, seed), num_partitions=folds)
    rest = [patient for part in parts[fold + 1 :] + parts[:fold] for patient in part]
    chosen = share(len(rest), fraction)
    if not chosen:
        _log.warning("fold %d has no validation part, the last checkpoint is kept", fold)
    test, validation, training = parts[fold], rest[:chosen], rest[chosen:]
    return tuple(sorted(training)), tuple(sorted(validation)), tuple(sorted(test))


def in_order(units: Iterable[str], seed: int) -> list[str]:
    """Give the units in the order of the draw."""
    return sorted(units, key=lambda unit: hashlib.sha256(f"{seed}:{unit}".encode()).digest())


def share(count: int, fraction: float) -> int:
    """Give ``fraction`` of ``count``, at least one, so that one is left over."""
    return min(count - 1, max(1, round(count * fraction)))
