"""Published numbers that stand beside a comparison, marked as such."""

from __future__ import annotations

import csv
from dataclasses import dataclass

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
        CobotError: the file lacks a column.
    """
    if plan.published is None:
        return []
    with plan.published.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise CobotError(f"{plan.published} lacks the columns {', '.join(missing)}: add them")
        lines = list(reader)
    methods = {("freeze", False), *((m.method, m.orchestrate) for m in plan.methods)}
    datasets = {dataset.name for dataset in plan.datasets}
    found: dict[tuple[str, str], Published] = {}
    for line in lines:
        method = (line["method"], line["orchestrated"] == "yes")
        if method in methods and line["dataset"] in datasets:
            name = f"{series_name(*method)} (published)"
            number = Published(name, *(line[key] for key in COLUMNS[2:]))
            found.setdefault((name, number.dataset), number)
    return list(found.values())
