"""Which values of a label file stand for which organ, where they are not the organ's own label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_cobot.data.spec import Case
from monai_cobot.errors import CobotError


def label_values(case: Case) -> dict[int, int] | None:
    """Give a case's ``label_values``, value in the file to label of the organ; None: as they are.

    Values that it does not name are background.

    Raises:
        CobotError: no mapping of whole numbers.
    """
    values = case.get("label_values")
    if values is None:
        return None
    try:
        return {int(value): int(label) for value, label in values.items()}
    except (AttributeError, TypeError, ValueError):
        raise CobotError(
            f"case {case['case']} has label_values {values!r}: write them as {{value in the file: "
            "label of the organ}"
        ) from None


def target_voxels(case: Case, label: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the array of the case's label file holds any organ."""
    values = label_values(case)
    return (
        label > 0 if values is None else np.isin(label, [v for v, organ in values.items() if organ])
    )


def organs_present(case: Case, label: NDArray[Any], path: str | Path) -> set[int]:
    """Labels of the organs that the array of the case's label file holds, background not among.

    Raises:
        CobotError: the file holds values that are no whole numbers.
    """
    if not (np.isfinite(label).all() and (label == np.rint(label)).all()):
        raise CobotError(f"{path} has values that are no whole numbers: export it as integers")
    present = {int(value) for value in np.unique(label)}
    values = label_values(case)
    if values is not None:
        present = {organ for value, organ in values.items() if value in present}
    return present - {0}
