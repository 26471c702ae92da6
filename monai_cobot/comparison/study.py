"""One dataset of a comparison: its split, and the runs that are made on it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser

from monai_cobot.bundle import adapter_file
from monai_cobot.comparison.dry_run import check_bundle
from monai_cobot.comparison.hidden_test import hide_test
from monai_cobot.comparison.names import ZERO_SHOT, folder_name
from monai_cobot.comparison.plan import DatasetPlan, MethodPlan, Plan
from monai_cobot.comparison.rates import Rates, paper_rates
from monai_cobot.comparison.results import check_evaluation, check_training
from monai_cobot.comparison.steps import EVALUATION, Step, beside
from monai_cobot.data.fingerprint import hash_cases
from monai_cobot.data.spec import DatasetSpec
from monai_cobot.errors import CobotError

OWN = (
    "method", "method_options", "orchestrate", "orchestration", "lr", "orchestration_lr",
    "relation_lr", "seed", "output_dir", "split_file", "dataset_dir", "bundle_root", "cases",
    "split", "resume", "overwrite", "checkpoint", "split_by",
)  # fmt: skip
"""Ids that the comparison sets itself."""


@dataclass(frozen=True)
class Study:
    """A dataset with its split, ready for trials.

    Attributes:
        plan: the comparison.
        dataset: which of its datasets.
        spec: organs and modality, as the bundle has them.
        split_hash: of the split.
        seen_sha256: hash of the files of training and validation part.
        test: cases of the test part; their files are read by the evaluation alone.
        rates: what is tried, by the method's name.
    """

    plan: Plan
    dataset: DatasetPlan
    spec: DatasetSpec
    split_hash: str
    seen_sha256: str
    test: tuple[dict[str, Any], ...]
    rates: Mapping[str, list[Rates]]

    @classmethod
    def of(cls, plan: Plan, dataset: DatasetPlan) -> Study:
        """Find the cases as the bundle does, split them, and hide the test part.

        Raises:
            CobotError: an id that is unknown or the comparison's own, no cases, no such part, and
                what the bundle would refuse of settings, methods and rates.
        """
        folder = plan.out / dataset.name
        _check_ids(dataset)
        parser = ConfigParser()
        parser.read_config(str(dataset.bundle / "configs" / "train.yaml"))
        ids = {**dataset.settings, **_places(plan, dataset, folder), "output_dir": str(folder)}
        parser.update({**ids, "bundle_root": str(dataset.bundle), "seed": plan.seeds[0]})
        spec, cases, split = (
            _unwrapped(partial(parser.get_parsed_content, key))
            for key in ("spec", "cases", "split")
        )
        rates = {
            method.name: plan.rates_of(method, paper_rates(spec.modality))
            for method in plan.methods
        }
        _unwrapped(lambda: check_bundle(parser, plan.methods, rates))
        folder.mkdir(parents=True, exist_ok=True)
        seen = hide_test(cases, split, folder / "split.json")
        test = tuple(split.items(cases, "test"))
        return cls(plan, dataset, spec, split.hash, hash_cases(seen), test, rates)

    @property
    def folder(self) -> Path:
        """Folder of the dataset in the comparison."""
        return self.plan.out / self.dataset.name

    @property
    def configs(self) -> Path:
        """Folder of the bundle's configs."""
        return self.dataset.bundle / "configs"

    def training(self, method: MethodPlan, rates: Rates, seed: int) -> Step:
        """A training; that of the first seed is the trial of its rates."""
        place = self.folder / method.folder
        trial = seed == self.plan.seeds[0]
        return Step(
            name=f"{self.dataset.name}, {method.name}, {rates}, seed {seed}",
            configs=(self.configs / "train.yaml", _overrides()),
            ids={**self._ids(), **method.ids(), **rates.ids(), "seed": seed},
            data={"split_hash": self.split_hash, "seen_sha256": self.seen_sha256},
            folder=place / "trials" / rates.folder if trial else place / f"seed_{seed}",
            check=check_training,
        )

    def evaluation_name(
        self, method: MethodPlan | None, seed: int, jitter: Mapping[str, Any] | None = None
    ) -> str:
        """For people."""
        name = ZERO_SHOT if method is None else method.name
        boxes = "" if jitter is None else f", boxes {_how(jitter)}"
        return f"{self.dataset.name}, {name}{boxes}, seed {seed}, evaluation"

    def evaluation_folder(
        self, method: MethodPlan | None, seed: int, jitter: Mapping[str, Any] | None = None
    ) -> Path:
        """Where it lies; nothing is read."""
        place = self.folder / (folder_name(ZERO_SHOT) if method is None else method.folder)
        return (place if jitter is None else place / "prompts" / _how(jitter)) / f"seed_{seed}"

    def was_evaluated(
        self, method: MethodPlan | None, seed: int, jitter: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether a finished evaluation lies there; the test part is not read."""
        return beside(self.evaluation_folder(method, seed, jitter), EVALUATION, "json").is_file()

    def evaluation(
        self,
        method: MethodPlan | None,
        rates: Rates | None,
        seed: int,
        jitter: Mapping[str, Any] | None = None,
    ) -> Step:
        """The evaluation of a training on the test part, which is read for it; None: zero shot.

        ``jitter`` changes the boxes in another way than the settings do.

        Raises:
            CobotError: no adapter.
            OSError: a file of the test part that cannot be read.
        """
        if method is None or rates is None:
            what: dict[str, Any] = {"method": "freeze", "orchestrate": False, "checkpoint": "none"}
        else:
            trained = self.training(method, rates, seed).folder
            what = {**method.ids(), "checkpoint": str(adapter_file(trained))}
        if jitter is not None:
            what["eval_box_jitter"] = dict(jitter)
        return Step(
            name=self.evaluation_name(method, seed, jitter),
            configs=(self.configs / "train.yaml", self.configs / "evaluate.yaml"),
            ids={**self._ids(), **what, "seed": self.plan.seeds[0], "overwrite": True},
            data={"split_hash": self.split_hash, "test_sha256": self._test_sha256},
            folder=self.evaluation_folder(method, seed, jitter),
            kind=EVALUATION,
            check=check_evaluation,
        )

    @cached_property
    def _test_sha256(self) -> str:
        """Read when the first evaluation is made, not before."""
        return hash_cases(self.test)

    def _ids(self) -> dict[str, Any]:
        places = _places(self.plan, self.dataset, self.folder)
        return {**self.dataset.settings, **places, "split_file": str(self.folder / "split.json")}


def _how(jitter: Mapping[str, Any]) -> str:
    return f"{jitter['mode']}_{jitter['size']:g}"


def _places(plan: Plan, dataset: DatasetPlan, folder: Path) -> dict[str, Any]:
    split = dataset.split_file or folder / "split.json"
    return {"dataset_dir": str(dataset.dataset_dir), "split_file": str(split)}


def _overrides() -> Path:
    return Path(str(resources.files("monai_cobot.comparison").joinpath("training.yaml")))


def _check_ids(dataset: DatasetPlan) -> None:
    known = yaml.safe_load((dataset.bundle / "configs" / "train.yaml").read_text())
    for key in dataset.settings:
        if key in OWN:
            raise CobotError(f"settings: {key} is set by the comparison: remove it from settings")
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "see the ids in docs/configuration.md"
            raise CobotError(f"settings: unknown id {key!r}: {hint}")


def _unwrapped(read: Callable[[], Any]) -> Any:
    """What is read of the bundle's config; MONAI's wrapping of a user's error is taken off."""
    try:
        return read()
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, CobotError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise cause from None
