"""The place that joins SAM, a fine-tuning method and the orchestration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.orchestration import OrchestrationConfig, Orchestrator
from monai_cobot.sam.base import BaseModel, load_base
from monai_cobot.sam.promptable import predict_masks

DECODER = "sam.mask_decoder."


class CobotSAM(nn.Module):
    """SAM with an adapted image encoder and, where asked for, its orchestration.

    The encoder and the prompt encoder are frozen but for what the method adds; the mask decoder is
    trained unless the method is ``freeze``. The cross-block parameters have one owner,
    ``orchestrator``; the adapters in the encoder keep the base model's keys beside their own.

    Args:
        sam: the base model's network; it is adapted in place.
        base: identity of the base model.
        method: name of a registered fine-tuning method.
        options: the method's own settings, as ``{"rank": 8}``.
        orchestrate: whether its blocks communicate (SAM-COBOT).
        orchestration: settings of the orchestration, as ``{"parametrisation": "product"}``.
        seed: of the adapters' and the orchestration's initialisation.

    Raises:
        CobotError: unknown method or option, a method that cannot be orchestrated, a hidden
            dimension that the hyper-complex numbers do not divide.
    """

    def __init__(
        self,
        sam: Sam,
        base: BaseModel,
        method: str = "lora",
        options: Mapping[str, Any] | None = None,
        orchestrate: bool = False,
        orchestration: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        description = peft.get(method)
        for name, mapping in (("method_options", options), ("orchestration", orchestration)):
            if mapping is not None and not isinstance(mapping, Mapping):
                raise CobotError(f"{name}={mapping!r} is no mapping: write it as {{name: value}}")
        config = peft.config_from_mapping(method, options or {})
        settings = orchestration_settings(orchestration or {})
        if orchestrate and not description.orchestratable:
            raise CobotError(
                f"method {method!r} has no bottleneck to orchestrate: set orchestrate: false or "
                f"choose one of {', '.join(orchestratable_methods())}"
            )
        self.sam = sam
        self.base = base
        self.method = method
        self.options = asdict(config)
        self.orchestration = asdict(settings) if orchestrate else {}
        self.orchestrator: Orchestrator | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sam.requires_grad_(False)
            self.adaptation = description.inject(sam.image_encoder, config)
            sam.mask_decoder.requires_grad_(description.trains_decoder)
            if orchestrate:
                self.orchestrator = Orchestrator(
                    self.adaptation.sites, self.adaptation.hidden, settings
                )
                self.orchestrator.attach(self._bottlenecks())

    @property
    def orchestrated(self) -> bool:
        """Whether the blocks communicate."""
        return self.orchestrator is not None

    def forward(self, image: Tensor, boxes: Sequence[Tensor] | None = None) -> Tensor:
        """Mask logits (sum of P_b, 1, S, S) in the model frame; see :func:`predict_masks`."""
        return predict_masks(self.sam, image, boxes)

    def adapter_keys(self) -> list[str]:
        """Keys of the state dict that fine-tuning makes: adapter, orchestration, decoder."""
        trained = {name for name, p in self.named_parameters() if p.requires_grad}
        return [key for key in self.state_dict() if key in trained]

    def adapter_state(self) -> dict[str, Tensor]:
        """What fine-tuning makes, as contiguous tensors."""
        state = self.state_dict()
        return {key: state[key].detach().contiguous() for key in self.adapter_keys()}

    def trainable_parameters(self) -> dict[str, int]:
        """Numbers of trainable parameters: ``peft``, ``orchestration``, ``decoder``."""
        counts = {"peft": 0, "orchestration": 0, "decoder": 0}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                counts[_group(name)] += parameter.numel()
        return counts

    def parameter_groups(
        self, lr: float, orchestration_lr: float, weight_decay: float = 0.0
    ) -> list[dict[str, Any]]:
        """Groups for an optimiser: ``lr`` for adapter and decoder, else ``orchestration_lr``.

        ``weight_decay`` holds for adapter and decoder. The orchestration has none: its coefficients
        and its relation matrix are the identity at the start, and Adam's decay takes a parameter
        with a small gradient down by about its rate a step, so they would vanish.

        Raises:
            CobotError: a rate that is not positive, or nothing to train.
        """
        rates: dict[str, Any] = {"lr": lr, "orchestration_lr": orchestration_lr}
        for name, rate in rates.items():
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e3:
                raise CobotError(
                    f"{name}={rate!r} is not a positive number: write it as 1.0e-4 in YAML"
                )
        members: dict[str, list[nn.Parameter]] = {name: [] for name in rates}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                orchestrates = _group(name) == "orchestration"
                members["orchestration_lr" if orchestrates else "lr"].append(parameter)
        # The orchestration starts at the identity, not at zero: decay would pull it away from it.
        decays = {"lr": weight_decay, "orchestration_lr": 0.0}
        groups = [
            {"params": parameters, "lr": rates[name], "weight_decay": decays[name], "name": name}
            for name, parameters in members.items()
            if parameters
        ]
        if not groups:
            raise CobotError(
                f"method {self.method!r} trains nothing: evaluate it as it is, or train another one"
            )
        return groups

    def _bottlenecks(self) -> tuple[peft.Bottleneck, ...]:
        return self.adaptation.bottlenecks


def build_adapted_sam(
    sam: str = "small",
    sam_checkpoint: str | Path | None = None,
    image_size: int | None = None,
    method: str = "lora",
    options: Mapping[str, Any] | None = None,
    orchestrate: bool = False,
    orchestration: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> CobotSAM:
    """SAM with weights, adapted; the arguments of :func:`load_base` and :class:`CobotSAM`."""
    peft.get(method)  # an unknown name fails before weights are read
    network, base = load_base(sam, sam_checkpoint, image_size)
    return CobotSAM(network, base, method, options, orchestrate, orchestration, seed)


def orchestratable_methods() -> list[str]:
    """Names of the methods that have a bottleneck at every site."""
    return [name for name in peft.names() if peft.get(name).orchestratable]


def orchestration_settings(mapping: Mapping[str, Any]) -> OrchestrationConfig:
    """The orchestration's settings from a mapping; CobotError names an unknown one."""
    known = list(OrchestrationConfig.__dataclass_fields__)
    for key in mapping:
        if key not in known:
            raise CobotError(f"unknown orchestration setting {key!r}: known are {', '.join(known)}")
    return OrchestrationConfig(**mapping)


def trains_nothing(model: CobotSAM) -> bool:
    """Whether the method leaves SAM as it is (``freeze``)."""
    return not any(parameter.requires_grad for parameter in model.parameters())


def _group(name: str) -> str:
    if name.startswith("orchestrator."):
        return "orchestration"
    return "decoder" if name.startswith(DECODER) else "peft"
