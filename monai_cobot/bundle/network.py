"""The network of a bundle, with errors that name the remedy."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from monai_cobot.bundle.run_folder import adapter_file
from monai_cobot.bundle.settings import is_none, optional_folder
from monai_cobot.data.split_file import Split
from monai_cobot.errors import CobotError
from monai_cobot.losses import OrganLoss
from monai_cobot.metrics import Run
from monai_cobot.sam import (
    CobotSAM,
    FeatureCache,
    LossNetwork,
    build_adapted_sam,
    build_from_adapter,
    check_device,
    for_inference,
    load_adapter,
    read_manifest,
    trains_nothing,
)
from monai_cobot.transforms import BoxJitter, Preprocessing

LOGGER = logging.getLogger(__name__)

make_jitter = BoxJitter.from_mapping

COMPUTING = ("attention", "checkpoint_blocks")
"""Settings of how a network computes, rather than of what."""


def build_network(organs: Mapping[str, int] | None = None, **settings: Any) -> CobotSAM:
    """SAM, adapted; ``settings`` are those of :func:`build_adapted_sam`.

    Args:
        organs: the organ table, whose length is the number of learned organ prompts.
    """
    return build_adapted_sam(**settings, organs=len(organs or ()))


def make_optimizer(
    network: CobotSAM,
    lr: float,
    orchestration_lr: float,
    weight_decay: float,
    prompt_lr: float = 1e-3,
    relation_lr: float | None = None,
) -> torch.optim.Adam:
    """Adam over what the method trains; see :meth:`CobotSAM.parameter_groups`."""
    groups = network.parameter_groups(lr, orchestration_lr, weight_decay, prompt_lr, relation_lr)
    return torch.optim.Adam(groups)


def place(network: CobotSAM, device: torch.device | str) -> CobotSAM:
    """The network on a device.

    Raises:
        CobotError: a GPU that does not compute in the network's precision.
    """
    check_device(network.sam, device)
    return network.to(device)


def add_loss(
    network: CobotSAM,
    mask_loss: torch.nn.Module,
    chunk: int,
    feature_cache: str | Path | None = None,
    images: int = 0,
) -> LossNetwork:
    """The network with its loss, as it is trained; see :class:`~monai_cobot.sam.LossNetwork`.

    Args:
        network: the network.
        mask_loss: of logits and targets.
        chunk: boxes, or organ prompts, that are decoded in one batch.
        feature_cache: folder of a :class:`~monai_cobot.sam.FeatureCache`, or None.
        images: images of the training, for whose features the disk has to have room.

    Raises:
        CobotError: a chunk that is no whole number of at least 1; a cache without frozen blocks,
            room, or a folder that can be written.
    """
    organ_loss = None if network.organ_prompts is None else OrganLoss(mask_loss)
    features, folder = None, optional_folder(feature_cache)
    if folder is not None:
        features = FeatureCache(folder, network)
        features.check_room(images)
    return LossNetwork(network, mask_loss, organ_loss, chunk, features)


PRESETS: dict[str, dict[str, Any]] = {
    "8gb": {"precision": "bf16", "checkpoint_blocks": True, "prompt_chunk": 4},
}
"""What `memory` stands for: ids and their values. docs/speed.md has what each needs."""

SLICES_ON_GPU = 8
"""Slices that go through the encoder together on a GPU; a CPU gains nothing by several."""


def preset(memory: str | None, name: str, default: Any) -> Any:
    """The value of an id under a memory preset, or its default where there is none.

    Raises:
        CobotError: another preset.
    """
    if is_none(memory):
        return default
    if not isinstance(memory, str) or memory not in PRESETS:
        raise CobotError(f"memory={memory!r}: choose one of {', '.join(PRESETS)}, or null")
    return PRESETS[memory].get(name, default)


def slice_batch(device: torch.device | str) -> int:
    """How many slices of a volume go through the encoder together on a device."""
    return SLICES_ON_GPU if torch.device(device).type == "cuda" else 1


def choose_prompts(network: CobotSAM, trained: Mapping[str, Any] | None) -> str:
    """The prompts that a network is evaluated with: without a training there are boxes alone."""
    return "box" if trained is None else network.prompts


def load_trained(
    network: CobotSAM,
    output_dir: str | Path,
    checkpoint: str,
    split: Split,
    organs: Mapping[str, int] | None = None,
    preprocessing: Preprocessing | None = None,
) -> dict[str, Any] | None:
    """Loads what training left in ``output_dir`` into the network, in place.

    Args:
        network: the network, built with the configuration of the training.
        output_dir: folder of the run.
        checkpoint: ``auto``, ``best``, ``last``, ``none`` (SAM as it is) or a file. A method that
            trains nothing needs none.
        split: the split whose test part is about to be read.
        organs: the organ table; it has to be that of the training.
        preprocessing: likewise.

    Returns:
        the adapter file's manifest; ``None`` for SAM as it is.

    Raises:
        CobotError: no adapter, one of another model or other organs, or one that was trained on
            another split, whose training part may hold the patients to be tested on.
    """
    if checkpoint == "auto" and trains_nothing(network):
        return None
    file = adapter_file(output_dir, checkpoint)
    if file is None:
        LOGGER.info("checkpoint: none, SAM is evaluated as it is (zero shot)")
        return None
    _check_same(file, read_manifest(file), preprocessing, organs)
    manifest = load_adapter(network, file)
    trained_on = manifest.get("split_hash")
    if trained_on not in (None, split.hash):
        raise CobotError(
            f"{file} was trained on another split (hash {trained_on[:12]}, here "
            f"{split.hash[:12]}): give the split_file of its training"
        )
    LOGGER.info("loaded %s", file)
    return manifest


def build_for_inference(
    checkpoint: str | Path | None,
    sam_checkpoint: str | Path | None = None,
    preprocessing: Preprocessing | None = None,
    organs: Mapping[str, int] | None = None,
    precision: str = "fp32",
    **untrained: Any,
) -> CobotSAM:
    """The fine-tuned model that an adapter file describes; its manifest says base and method.

    Args:
        checkpoint: the adapter file, or ``none`` for an untrained network.
        sam_checkpoint: weights of the base model, needed for the official sizes.
        preprocessing: the bundle's; it has to be what the adapter was trained with.
        organs: the bundle's organ table; likewise.
        precision: ``fp32`` or ``bf16``; the adapter may have been trained in the other one.
        untrained: settings of :func:`build_adapted_sam` without a checkpoint; of them ``attention``
            and ``checkpoint_blocks`` hold with one too.

    Raises:
        CobotError: no adapter file, another base model, preprocessing or organ table.
    """
    if checkpoint in (None, "", "none"):
        return build_network(
            organs, sam_checkpoint=sam_checkpoint, precision=precision, **untrained
        )
    checkpoint = Path(str(checkpoint)).expanduser()
    manifest = read_manifest(checkpoint)
    _check_same(checkpoint, manifest, preprocessing, organs)
    computing = {key: untrained[key] for key in COMPUTING if key in untrained}
    model = build_from_adapter(checkpoint, sam_checkpoint, **computing)
    return for_inference(model, precision)


def _check_same(
    file: Path,
    manifest: Mapping[str, Any],
    preprocessing: Preprocessing | None,
    organs: Mapping[str, int] | None,
) -> None:
    """Refuse an adapter whose manifest says otherwise; what it does not say, or None, passes."""
    wanted = {
        "preprocessing": None if preprocessing is None else preprocessing.to_dict(),
        "organs": None if organs is None else dict(organs),
    }
    for name, value in wanted.items():
        if value is not None and manifest.get(name, value) != value:
            raise CobotError(
                f"{file} was trained with {name} {manifest[name]}, this bundle has {value}: "
                "use the bundle, or the organ_table, that it was trained with"
            )


def inference_prompts(
    network: CobotSAM,
    prompts_file: str | Path | None,
    checkpoint: str | Path | None,
) -> str:
    """The prompts of an inference: boxes where a file gives them, else the organs' where learned.

    A network without organ prompts, and one that is untrained (``checkpoint: none``), needs boxes.
    """
    if prompts_file and network.prompts == "organ":
        LOGGER.warning("%s: the adapter was trained without boxes, and is given some", prompts_file)
    trained = checkpoint not in (None, "", "none") and network.organ_prompts is not None
    return "box" if prompts_file or not trained else "organ"


def run_columns(
    network: CobotSAM,
    trained: Mapping[str, Any] | None,
    split: Split,
    seed: int,
    box_jitter: BoxJitter,
) -> Run:
    """The columns of ``metrics.csv`` that say which model was evaluated on which prompts.

    Args:
        network: the network that is evaluated.
        trained: manifest of its adapter, which knows the training's seed; ``None`` for SAM as it
            is, which the rows call ``zero_shot``.
        split: the split whose test part is read.
        seed: used where there was no training.
        box_jitter: of the evaluation.
    """
    zero_shot = trained is None and not trains_nothing(network)
    return Run(
        method="zero_shot" if zero_shot else network.method,
        orchestrate=network.orchestrated and not zero_shot,
        seed=seed if trained is None else int(trained.get("seed", seed)),
        split_hash=split.hash,
        split_by=split.by,
        image_size=network.base.image_size,
        sam=network.base.sam,
        weights=network.base.weights,
        box_jitter=str(box_jitter),
    )
