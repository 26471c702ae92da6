"""What is compared: methods, datasets, seeds and rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_cobot.comparison.names import folder_name
from monai_cobot.comparison.rates import Rates
from monai_cobot.comparison.resources import Resources
from monai_cobot.sam.adapted import orchestration_settings

RELATION_RATES = {"relation_lr", "relation_share"}
"""Two ways to give the relation matrix a rate: a list, or a share of ``orchestration_lr``."""

RateLists = Mapping[str, Any]


@dataclass(frozen=True)
class MethodPlan:
    """One row of the comparison.

    Attributes:
        name: as tables call it.
        method: registered name.
        options: of the method.
        orchestrate: whether the blocks communicate.
        orchestration: its settings.
        rates: lists of its own, over those of the plan; ``relation_share`` is a number.
    """

    name: str
    method: str
    options: Mapping[str, Any]
    orchestrate: bool
    orchestration: Mapping[str, Any]
    rates: RateLists

    @property
    def learns_relation(self) -> bool:
        """Whether a relation matrix is trained."""
        settings = orchestration_settings(self.orchestration)
        return self.orchestrate and settings.communicates and settings.relation == "learnable"

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return folder_name(self.name)

    def ids(self) -> dict[str, Any]:
        """Ids of the bundle that say which method it is."""
        return {
            "method": self.method,
            "method_options": dict(self.options),
            "orchestrate": self.orchestrate,
            "orchestration": dict(self.orchestration) if self.orchestrate else {},
        }


@dataclass(frozen=True)
class DatasetPlan:
    """One column: a bundle and a folder of data.

    Attributes:
        name: as tables call it.
        bundle: folder of the bundle.
        dataset_dir: folder or datalist, see the bundle's docs.
        split_file: a split of the user's; None for the one that the bundle draws.
        settings: ids of the bundle for this dataset, over the plan's.
        score: ``dice`` or ``iou``.
    """

    name: str
    bundle: Path
    dataset_dir: Path
    split_file: Path | None
    settings: Mapping[str, Any]
    score: str


@dataclass(frozen=True)
class Plan:
    """Methods x datasets x seeds.

    Attributes:
        out: folder of the comparison.
        seeds: of the trainings; the first one is that of the trials and of the boxes.
        trials: of every method and dataset.
        rates: lists for all methods.
        methods: the rows.
        datasets: the columns.
        pairs: names of rows whose difference is of interest, first minus second; None for each
            method against zero shot and each orchestrated one against the same without.
        published: CSV of published numbers, or None.
        resources: of a job, where several run at a time.
    """

    out: Path
    seeds: tuple[int, ...]
    trials: int
    rates: RateLists
    methods: tuple[MethodPlan, ...]
    datasets: tuple[DatasetPlan, ...]
    pairs: tuple[tuple[str, str], ...] | None
    published: Path | None
    resources: Resources = field(default_factory=Resources)

    def rates_of(self, method: MethodPlan, paper: list[float]) -> list[Rates]:
        """The rates that are tried with a method; ``paper``: the orchestration's where not given.

        Raises:
            CobotError: fewer than there are trials.
        """
        lists = {"orchestration_lr": paper, **self.rates, **method.rates}
        names = ["lr", *(["orchestration_lr"] if method.orchestrate else [])]
        share = None
        if method.learns_relation:
            # A method's own word on its relation matrix stands before the plan's.
            said = method.rates if RELATION_RATES & {*method.rates} else self.rates
            names += ["relation_lr"] if "relation_lr" in said else []
            share = said.get("relation_share")
        return Rates.draw(lists, names, self.trials, method.name, share)
