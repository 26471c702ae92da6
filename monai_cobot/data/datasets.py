"""The table of datasets: a row each."""

from __future__ import annotations

from monai_cobot.data.adome import ADOME
from monai_cobot.data.spec import Case, DatasetSpec, Organ, Reader
from monai_cobot.data.splen import SPLEN
from monai_cobot.errors import CobotError

__all__ = ["Case", "DatasetSpec", "Organ", "Reader", "get", "names", "register"]

_TABLE: dict[str, DatasetSpec] = {}


def register(spec: DatasetSpec) -> DatasetSpec:
    """Add a dataset to the table and give it back.

    Raises:
        CobotError: another dataset has this code.
    """
    if spec.code in _TABLE:
        raise CobotError(f"dataset {spec.code!r} is registered already: choose another code")
    _TABLE[spec.code] = spec
    return spec


def get(code: str) -> DatasetSpec:
    """Give the dataset of this code.

    Raises:
        CobotError: no such dataset; the message lists the known ones.
    """
    if code not in _TABLE:
        raise CobotError(f"unknown dataset {code!r}: choose one of {', '.join(names())}")
    return _TABLE[code]


def names() -> tuple[str, ...]:
    """Codes of all datasets, in the order of registration."""
    return tuple(_TABLE)


for _spec in (ADOME, SPLEN):
    register(_spec)
