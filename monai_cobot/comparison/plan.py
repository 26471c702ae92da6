"""The YAML of a comparison, read and checked before any work is done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from monai_cobot import peft
from monai_cobot.comparison.rates import Rates
from monai_cobot.errors import CobotError
from monai_cobot.metrics import TRIVIAL_ANSWERS, series_name
from monai_cobot.sam.adapted import orchestratable_methods, orchestration_settings

ZERO_SHOT = "zero_shot"
PATHS = ("sam_checkpoint", "organ_table")
"""Ids that name a file: relative ones are taken from the YAML's folder."""
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
        return "_".join(self.name.replace("+", " ").split())

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
    """

    out: Path
    seeds: tuple[int, ...]
    trials: int
    rates: RateLists
    methods: tuple[MethodPlan, ...]
    datasets: tuple[DatasetPlan, ...]
    pairs: tuple[tuple[str, str], ...] | None
    published: Path | None

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


def load_plan(file: str | Path) -> Plan:
    """Read a plan; relative paths are taken from the file's folder.

    Raises:
        CobotError: no such file, not understood (says where), an unknown method, option or setting
            of the orchestration, a method that cannot be orchestrated, two rows of one name.
    """
    path = Path(file).expanduser().resolve()
    content = _read(path)
    methods = tuple(_method(entry) for entry in content["methods"])
    settings = content.get("settings", {})
    datasets = tuple(_dataset(entry, settings, path.parent) for entry in content["datasets"])
    for what, folders in (
        ("methods", [method.folder for method in methods]),
        ("datasets", [dataset.name for dataset in datasets]),
    ):
        for name, count in Counter(folders).items():
            if count > 1:
                raise CobotError(f"{path}: two {what} are called {name!r}: give each a name")
    rates = content["rates"]
    for method in methods:
        if not {**rates, **method.rates}.get("lr"):
            raise CobotError(f"{path}: {method.name} has no lr to try: give rates: {{lr: […]}}")
    plan = Plan(
        out=path.parent / Path(content["out"]).expanduser(),
        seeds=tuple(content.get("seeds", [0])),
        trials=content.get("trials", len(rates.get("lr", [1]))),
        rates=rates,
        methods=methods,
        datasets=datasets,
        pairs=_pairs(content.get("pairs"), [method.name for method in methods], path),
        published=path.parent / content["published"] if "published" in content else None,
    )
    if plan.published is not None and not plan.published.is_file():
        raise CobotError(f"published: {plan.published} is no file: name the CSV, or leave it out")
    return plan


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CobotError(f"{path} cannot be read as YAML ({error}): check the file") from None
    text = resources.files("monai_cobot.comparison").joinpath("plan.schema.json").read_text()
    validator = jsonschema.Draft202012Validator(json.loads(text))
    broken = jsonschema.exceptions.best_match(validator.iter_errors(content))
    if broken is not None:
        at = " / ".join(str(step) for step in broken.absolute_path) or "top level"
        number = "type" in broken.schema and broken.schema["type"] == "number"
        hint = " (in YAML write 1.0e-4: 1e-4 is a text there)" if number else ""
        raise CobotError(f"{path} is not understood at {at}: {broken.message}{hint}")
    found: dict[str, Any] = content
    return found


def _method(entry: str | Mapping[str, Any]) -> MethodPlan:
    given: Mapping[str, Any] = {"method": entry} if isinstance(entry, str) else entry
    method, orchestrate = given["method"], given.get("orchestrate", False)
    description = peft.get(method)
    peft.config_from_mapping(method, given.get("options"))
    orchestration = given.get("orchestration", {})
    orchestration_settings(orchestration)
    if method == "freeze":
        raise CobotError("methods: freeze trains nothing, and zero shot is always a row: remove it")
    if orchestrate and not description.orchestratable:
        raise CobotError(
            f"methods: {method} cannot be orchestrated: {description.orchestratable.reason}; set "
            f"orchestrate: false or choose one of {', '.join(orchestratable_methods())}"
        )
    if orchestration and not orchestrate:
        raise CobotError(f"methods: {method} has settings of the orchestration: set orchestrate")
    name = given.get("name", series_name(method, orchestrate))
    if name in (ZERO_SHOT, "zero shot", *TRIVIAL_ANSWERS):
        raise CobotError(f"methods: {name!r} is a row of its own: give {method} another name")
    return MethodPlan(
        name, method, given.get("options", {}), orchestrate, orchestration, given.get("rates", {})
    )


def _dataset(entry: Mapping[str, Any], shared: Mapping[str, Any], folder: Path) -> DatasetPlan:
    bundle, data = (folder / Path(entry[key]).expanduser() for key in ("bundle", "dataset_dir"))
    if not (bundle / "configs" / "train.yaml").is_file():
        raise CobotError(f"{bundle} is no bundle of this package: name a folder of bundles/")
    if not data.exists():
        raise CobotError(f"dataset_dir {data} does not exist: check the path")
    split = folder / Path(entry["split_file"]).expanduser() if "split_file" in entry else None
    if split is not None and not split.is_file():
        raise CobotError(f"split_file {split} does not exist: check the path, or leave it out")
    settings = {**shared, **entry.get("settings", {})}
    for key in PATHS:
        near = folder / Path(str(settings.get(key))).expanduser()
        if near.is_file():
            settings[key] = str(near)
    name = entry.get("name", bundle.name.split("_")[0].upper())
    return DatasetPlan(name, bundle, data, split, settings, entry.get("score", "dice"))


def _pairs(
    pairs: list[list[str]] | None, names: list[str], path: Path
) -> tuple[tuple[str, str], ...] | None:
    if pairs is None:
        return None
    known = [*names, "zero shot", *(series_name(kind, False) for kind in TRIVIAL_ANSWERS)]
    for name in (name for pair in pairs for name in pair):
        if name not in known:
            raise CobotError(f"{path}: pairs: no row {name!r}; rows are {', '.join(known)}")
    return tuple((first, second) for first, second in pairs)
