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
from monai_cobot.sam.embedded import EmbeddedImages
from monai_cobot.sam.orchestrate import orchestrate as attach_orchestrator
from monai_cobot.sam.organ_prompts import PROMPTS, OrganPrompts
from monai_cobot.sam.partial import inject_last
from monai_cobot.sam.precision import set_precision
from monai_cobot.sam.promptable import predict_masks

ENCODER = "sam.image_encoder."
DECODER = "sam.mask_decoder."
OWNER = "orchestrator."
RELATION = f"{OWNER}relation_matrix"
"""Key of the relation matrix, in the model and in adapter files."""


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
        seed: of the adapters', the orchestration's and the organ prompts' initialisation.
        prompts: ``box``; ``organ`` for learned organ prompts; or ``both``.
        organs: number of organs K that have a learned prompt; not used with ``box``.
        precision: ``fp32`` or ``bf16``, see :func:`~monai_cobot.sam.precision.set_precision`.
        last_blocks: the method is put into so many of the last blocks alone; None takes all.

    Raises:
        CobotError: unknown method or option, a method that cannot be orchestrated, a hidden
            dimension that the hyper-complex numbers do not divide, unknown prompts or precision,
            or organ prompts without organs.
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
        prompts: str = "box",
        organs: int = 0,
        precision: str = "fp32",
        last_blocks: int | None = None,
    ) -> None:
        super().__init__()
        description = peft.get(method)
        if prompts not in PROMPTS:
            raise CobotError(f"prompts={prompts!r}: choose one of {', '.join(PROMPTS)}")
        for name, mapping in (("method_options", options), ("orchestration", orchestration)):
            if mapping is not None and not isinstance(mapping, Mapping):
                raise CobotError(f"{name}={mapping!r} is no mapping: write it as {{name: value}}")
        config = peft.config_from_mapping(method, options or {})
        settings = orchestration_settings(orchestration or {})
        if orchestrate and not description.orchestratable:
            raise CobotError(
                f"method {method!r} cannot be orchestrated: {description.orchestratable.reason}; "
                "set orchestrate: false or choose one of "
                f"{', '.join(orchestratable_methods())}"
            )
        self.sam = sam
        self.base = base
        self.method = method
        self.options = asdict(config)
        self.orchestration = asdict(settings) if orchestrate else {}
        self.prompts = prompts
        self.last_blocks = last_blocks
        self.orchestrator: Orchestrator | None = None
        self.organ_prompts: OrganPrompts | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sam.requires_grad_(False)
            self.adaptation = (
                description.inject(sam.image_encoder, config)
                if last_blocks is None
                else inject_last(description, sam.image_encoder, config, last_blocks)
            )
            sam.mask_decoder.requires_grad_(description.trains_decoder)
            if orchestrate:
                self.orchestrator = attach_orchestrator(
                    sam.image_encoder, self.adaptation, settings
                )
            if prompts != "box":
                self.organ_prompts = OrganPrompts(sam, organs)
                self.organ_prompts.requires_grad_(description.trains_decoder)
        set_precision(sam, precision)

    @property
    def orchestrated(self) -> bool:
        """Whether the blocks communicate."""
        return self.orchestrator is not None

    def forward(self, image: Tensor, boxes: Sequence[Tensor] | None = None) -> Tensor:
        """Mask logits in the model frame.

        Args:
            image: (B, 3, S, S), normalised and padded.
            boxes: for each image its (P_b, 4) boxes XYXY in the model frame, P_b may be 0.

        Returns:
            With boxes, their logits (sum of P_b, 1, S, S); see :func:`predict_masks`. With an image
            alone, of a model with organ prompts, (B, K, S, S) logits of all organs, silent where an
            organ is absent; of a model without, (B, 1, S, S) for a box around the whole image.
        """
        if self.organ_prompts is None or boxes is not None:
            return predict_masks(self.sam, image, boxes)
        return self.embed(image).organ_answers().found

    def embed(self, image: Tensor, embeddings: Tensor | None = None) -> EmbeddedImages:
        """Runs the encoder on images (B, 3, S, S); prompts are answered from what it gives.

        With ``embeddings`` (B, C, h, w) that are known already it is not run.
        """
        return EmbeddedImages(self.sam, image, self.organ_prompts, embeddings)

    def adapter_keys(self) -> list[str]:
        """Keys of the state dict that fine-tuning makes: adapter, orchestration, decoder.

        A relation matrix that is random and fixed is among them, though it is not trained.
        """
        made = {name for name, p in self.named_parameters() if p.requires_grad}
        return [key for key in self.state_dict() if key in made or key.startswith(OWNER)]

    def adapter_state(self) -> dict[str, Tensor]:
        """What fine-tuning makes, as contiguous tensors."""
        state = self.state_dict()
        return {key: state[key].detach().contiguous() for key in self.adapter_keys()}

    def trainable_parameters(self) -> dict[str, int]:
        """Numbers of trainable parameters: ``peft``, ``orchestration``, ``decoder``.

        ``organ_prompts`` too, where the model has them.
        """
        counts = {"peft": 0, "orchestration": 0, "decoder": 0}
        if self.organ_prompts is not None:
            counts["organ_prompts"] = 0
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                counts[_group(name)] += parameter.numel()
        return counts

    def parameter_groups(
        self,
        lr: float,
        orchestration_lr: float,
        weight_decay: float = 0.0,
        prompt_lr: float = 1e-3,
        relation_lr: float | None = None,
    ) -> list[dict[str, Any]]:
        """Groups for an optimiser: ``lr`` for adapter and decoder, else the rate of that name.

        ``relation_lr`` is that of the relation matrix S; None leaves S with the orchestration, as
        the paper has it. All entries of a row of S start with one gradient, so the row moves as one
        gain that learns T times as fast as a coefficient (docs/method.md).

        ``weight_decay`` holds for adapter and decoder. The orchestration has none: its coefficients
        and its relation matrix are the identity at the start, and Adam's decay takes a parameter
        with a small gradient down by about its rate a step, so they would vanish. Neither have the
        organ prompts, which start at an embedding of SAM's, nor what a method tunes of SAM's own
        values (``Adaptation.undecayed``), which is a group ``lr_without_decay``.

        Raises:
            CobotError: a rate that is not positive, ``relation_lr`` without a relation matrix that
                is trained, or nothing to train.
        """
        rates: dict[str, Any] = {
            "lr": lr, "orchestration_lr": orchestration_lr, "prompt_lr": prompt_lr,
        }  # fmt: skip
        if relation_lr is not None:
            rates["relation_lr"] = relation_lr
        for name, rate in rates.items():
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e3:
                raise CobotError(
                    f"{name}={rate!r} is not a positive number: write it as 1.0e-4 in YAML"
                )
        rates["lr_without_decay"] = lr
        members: dict[str, list[nn.Parameter]] = {name: [] for name in rates}
        undecayed = {f"{ENCODER}{name}" for name in self.adaptation.undecayed}
        own = {"orchestration": "orchestration_lr", "organ_prompts": "prompt_lr"}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                default = "lr_without_decay" if name in undecayed else "lr"
                apart = name == RELATION and relation_lr is not None
                members["relation_lr" if apart else own.get(_group(name), default)].append(
                    parameter
                )
        if relation_lr is not None and not members["relation_lr"]:
            raise CobotError(
                f"relation_lr={relation_lr!r}: this model trains no relation matrix: leave it out "
                "(null in YAML), or orchestrate with relation: learnable"
            )
        groups = [
            {
                "params": parameters,
                "lr": rates[name],
                "weight_decay": weight_decay if name == "lr" else 0.0,
                "name": name,
            }
            for name, parameters in members.items()
            if parameters
        ]
        if not groups:
            raise CobotError(
                f"method {self.method!r} trains nothing: evaluate it as it is, or train another one"
            )
        return groups


def build_adapted_sam(
    sam: str = "small",
    sam_checkpoint: str | Path | None = None,
    image_size: int | None = None,
    method: str = "lora",
    options: Mapping[str, Any] | None = None,
    orchestrate: bool = False,
    orchestration: Mapping[str, Any] | None = None,
    seed: int = 0,
    prompts: str = "box",
    organs: int = 0,
    precision: str = "fp32",
    attention: str = "auto",
    checkpoint_blocks: bool = False,
    last_blocks: int | None = None,
) -> CobotSAM:
    """SAM with weights, adapted; the arguments of :func:`load_base` and :class:`CobotSAM`."""
    peft.get(method)  # an unknown name fails before weights are read
    network, base = load_base(sam, sam_checkpoint, image_size, attention, checkpoint_blocks)
    return CobotSAM(
        network,
        base,
        method,
        options,
        orchestrate,
        orchestration,
        seed,
        prompts,
        organs,
        precision,
        last_blocks,
    )


def orchestratable_methods() -> list[str]:
    """Names of the methods that can be orchestrated."""
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
    if name.startswith(OWNER):
        return "orchestration"
    if name.startswith("organ_prompts."):
        return "organ_prompts"
    return "decoder" if name.startswith(DECODER) else "peft"
