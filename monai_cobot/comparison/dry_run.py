"""What a bundle would refuse hours later: settings, weights, every method with every rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_cobot.bundle import check_settings, make_jitter
from monai_cobot.comparison.plan import MethodPlan
from monai_cobot.comparison.rates import Rates
from monai_cobot.errors import CobotError
from monai_cobot.sam import BaseModel, CobotSAM, build_architecture, get_size
from monai_cobot.sam.base import load_base

CHECKED = (
    "epochs", "batch_size", "val_interval", "checkpoint_interval", "num_workers", "prompt_chunk",
    "weight_decay", "folds", "fold",
)  # fmt: skip
JITTERS = ("box_jitter", "eval_box_jitter")


def check_bundle(
    parser: ConfigParser, methods: Sequence[MethodPlan], rates: Mapping[str, Sequence[Rates]]
) -> None:
    """Refuse what no run of a plan could do; no run is made.

    The base model is read once. The methods are built of it without memory (on torch's meta
    device), and their optimisers' groups with every rate that is tried.

    Args:
        parser: the bundle's train.yaml with the plan's settings.
        methods: the rows.
        rates: a method's name -> settings that are tried.

    Raises:
        CobotError: as the bundle would, with the method where it is one's.
    """
    settings = {name: parser.get_parsed_content(name) for name in CHECKED}
    check_settings(**settings)
    sam, side = (parser.get_parsed_content(name) for name in ("sam", "image_size"))
    _, base = load_base(sam, parser.get_parsed_content("sam_checkpoint"), side)
    for name in JITTERS:
        make_jitter(parser.get_parsed_content(name), base.image_size)
    prompts, prompt_lr = (parser.get_parsed_content(name) for name in ("prompts", "prompt_lr"))
    organs = len(parser.get_parsed_content("spec").labels)
    for method in methods:
        try:
            network = _without_memory(base, method, prompts, organs)
            for tried in rates[method.name]:
                _groups(network, tried, settings["weight_decay"], prompt_lr)
        except CobotError as error:
            raise CobotError(f"methods: {method.name}: {error}") from None


def _without_memory(base: BaseModel, method: MethodPlan, prompts: str, organs: int) -> CobotSAM:
    ids = method.ids()
    with torch.device("meta"):
        return CobotSAM(
            build_architecture(get_size(base.sam), base.image_size), base, ids["method"],
            ids["method_options"], ids["orchestrate"], ids["orchestration"], 0, prompts, organs,
        )  # fmt: skip


def _groups(network: CobotSAM, rates: Rates, weight_decay: float, prompt_lr: Any) -> None:
    # Of a plain method the orchestration's rate is not used.
    network.parameter_groups(
        rates.lr, rates.orchestration_lr or rates.lr, weight_decay, prompt_lr, rates.relation_lr
    )
