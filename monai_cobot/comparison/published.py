"""Published numbers that stand beside a comparison, marked as such."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from monai_cobot.comparison.names import PUBLISHED
from monai_cobot.comparison.plan import Plan
from monai_cobot.errors import CobotError
from monai_cobot.metrics import series_name

COLUMNS = ("method", "orchestrated", "dataset", "metric", "value", "std")


@dataclass(frozen=True)
class Published:
    """A number as it was printed: mean and deviation in percent, on another split and by others."""

    name: str
    dataset: str
    metric: str
    value: str
    std: str

    def __str__(self) -> str:
        shown = f"{self.value} ± {self.std}" if self.std else self.value
        return f"{shown} {self.metric}"


def read_published(plan: Plan) -> list[Published]:
    """Those of the plan's methods and datasets, and ``freeze``, in the order of the file.

    Of several with one method and dataset the first is taken.

    Raises:
        CobotError: no such file, none that can be read as CSV in UTF-8, one that lacks a column, or
            has nothing of the plan's methods and datasets.
    """
    if plan.published is None:
        return []
    lines = _read(plan.published)
    methods = {("freeze", False), *((m.method, m.orchestrate) for m in plan.methods)}
    datasets = {dataset.name for dataset in plan.datasets}
    found: dict[tuple[str, str], Published] = {}
    for line in lines:
        method = (line["method"], line["orchestrated"] == "yes")
        if method in methods and line["dataset"] in datasets:
            name = f"{series_name(*method)} {PUBLISHED}"
            number = Published(name, *(line[key] for key in COLUMNS[2:]))
            found.setdefault((name, number.dataset), number)
    if not found:
        raise CobotError(
            f"published: {plan.published} has no row of this plan's methods and datasets "
            f"({', '.join(sorted(datasets))}): name the datasets as the file does, or leave it out"
        )
    return list(found.values())


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise CobotError(f"published: {path} lacks the columns {', '.join(missing)}: add "
                                 "them")  # fmt: skip
            return [{name: line[name] or "" for name in COLUMNS} for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CobotError(
            f"published: {path} cannot be read ({error}): give a CSV in UTF-8, or leave it out"
        ) from None
