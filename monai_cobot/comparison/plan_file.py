"""The YAML of a comparison, read and checked before any work is done."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from monai_cobot import peft
from monai_cobot.comparison.names import (
    ROWS,
    check_dataset_name,
    check_distinct,
    check_method_name,
)
from monai_cobot.comparison.plan import DatasetPlan, MethodPlan, Plan
from monai_cobot.comparison.published import read_published
from monai_cobot.comparison.resources import Resources
from monai_cobot.errors import CobotError
from monai_cobot.metrics import series_name
from monai_cobot.sam.adapted import orchestratable_methods, orchestration_settings

PATHS = ("sam_checkpoint", "organ_table")
"""Ids that name a file: relative ones are taken from the YAML's folder."""


def load_plan(file: str | Path) -> Plan:
    """Read a plan; relative paths are taken from the file's folder.

    Raises:
        CobotError: no such file, not understood (says where), an unknown method, option or setting
            of the orchestration, a method that cannot be orchestrated, two rows of one name, a name
            that is taken, published numbers that cannot be read or are of something else.
    """
    path = Path(file).expanduser().resolve()
    content = _read(path)
    methods = tuple(_method(entry) for entry in content["methods"])
    settings = content.get("settings", {})
    datasets = tuple(_dataset(entry, settings, path.parent) for entry in content["datasets"])
    check_distinct("methods", [method.name for method in methods])
    check_distinct("datasets", [dataset.name for dataset in datasets])
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
        resources=Resources(**content.get("resources", {})),
    )
    read_published(plan)
    return plan


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CobotError(f"{path} cannot be read as YAML ({error}): check the file") from None
    text = resources.files("monai_cobot.comparison").joinpath("plan.schema.json").read_text()
    validator = jsonschema.Draft202012Validator(json.loads(text))
    broken = jsonschema.exceptions.best_match(validator.iter_errors(content))
    if broken is not None:
        at = " / ".join(str(step) for step in broken.absolute_path) or "top level"
        number = "type" in broken.schema and broken.schema["type"] == "number"
        hint = " (in YAML write 1.0e-4: 1e-4 is a text there)" if number else ""
        raise CobotError(f"{path} is not understood at {at}: {broken.message}{hint}")
    _check_finite(content, path)
    found: dict[str, Any] = content
    return found


def _check_finite(content: Mapping[str, Any], path: Path) -> None:
    """Of the rates; JSON's schemas know no NaN, and their bounds let it through."""
    plain = (entry for entry in content["methods"] if not isinstance(entry, str))
    for lists in (content["rates"], *(entry.get("rates", {}) for entry in plain)):
        for name, given in lists.items():
            for rate in given if isinstance(given, list) else [given]:
                if not math.isfinite(rate):
                    raise CobotError(f"{path}: rates: {name}: {rate} is no rate: give a number")


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
    name = given.get("name", series_name(method, orchestrate)).strip()
    check_method_name(name)
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
    name = entry.get("name", bundle.name.split("_")[0].upper()).strip()
    check_dataset_name(name)
    return DatasetPlan(name, bundle, data, split, settings, entry.get("score", "dice"))


def _pairs(
    pairs: list[list[str]] | None, names: list[str], path: Path
) -> tuple[tuple[str, str], ...] | None:
    if pairs is None:
        return None
    known = [*names, *ROWS]
    for name in (name for pair in pairs for name in pair):
        if name not in known:
            raise CobotError(f"{path}: pairs: no row {name!r}; rows are {', '.join(known)}")
    for first, second in pairs:
        if first == second:
            raise CobotError(f"{path}: pairs: {first!r} with itself: name two rows")
    return tuple((first, second) for first, second in pairs)
