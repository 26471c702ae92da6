"""Adapter-only checkpoints: a safetensors file with a manifest that binds it to its base model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import monai_cobot
from monai_cobot.errors import CobotError
from monai_cobot.sam.adapted import CobotSAM, build_adapted_sam, orchestration_settings
from monai_cobot.sam.base import BaseModel
from monai_cobot.whole_file import whole_file

REQUIRED = ("base", "method", "options", "orchestrate", "orchestration")
FORMAT = "monai_cobot/adapter/1"


def make_manifest(model: CobotSAM, **details: Any) -> dict[str, Any]:
    """What an adapter file says of itself.

    Args:
        model: the model that is saved.
        details: further facts, JSON values, as ``preprocessing``, ``organs``, ``split_hash``,
            ``seed``, ``epoch``.
    """
    return {
        "format": FORMAT,
        "version": monai_cobot.__version__,
        "base": model.base.to_dict(),
        "method": model.method,
        "options": model.options,
        "orchestrate": model.orchestrated,
        "orchestration": model.orchestration,
        "prompts": model.prompts,
        "last_blocks": model.last_blocks,
        "sizes": {
            "sites": model.adaptation.sites,
            "hidden": model.adaptation.hidden,
            "blocks": len(model.sam.image_encoder.blocks),
            "width": model.sam.image_encoder.patch_embed.proj.out_channels,
        },
        "parameters": model.trainable_parameters(),
        **details,
    }


def save_adapter(model: CobotSAM, path: str | Path, manifest: Mapping[str, Any]) -> None:
    """Writes adapter, orchestration and trained decoder with the manifest in the file's header.

    The file appears whole or not at all (written beside, then renamed).
    """
    state = {key: value.cpu() for key, value in model.adapter_state().items()}
    with whole_file(path) as file:
        save_file(state, file, metadata={"manifest": json.dumps(manifest)})


def read_manifest(path: str | Path) -> dict[str, Any]:
    """The manifest of an adapter file; CobotError where the file is none."""
    return _read(Path(path))[0]


def load_adapter(model: CobotSAM, path: str | Path) -> dict[str, Any]:
    """Loads an adapter file into a model of the same base, method and sizes.

    Returns:
        the file's manifest.

    Raises:
        CobotError: no adapter file, another base model, method or setting, a key that is missing
            or too much, another shape. Nothing is loaded then.
    """
    manifest, state = _read(Path(path))
    _check_manifest(manifest, model, Path(path))
    expected = model.adapter_state()
    differences = [
        f"{word} {', '.join(keys[:3])}{' …' if len(keys) > 3 else ''}"
        for word, keys in (
            ("missing", sorted(set(expected) - set(state))),
            ("not known", sorted(set(state) - set(expected))),
            (
                "of another shape",
                sorted(
                    k for k in set(state) & set(expected) if state[k].shape != expected[k].shape
                ),
            ),
        )
        if keys
    ]
    if differences:
        raise CobotError(
            f"adapter {path} does not fit the model; {'; '.join(differences)}: "
            "use the file that training wrote, with the configuration in its manifest"
        )
    model.load_state_dict(state, strict=False)
    return manifest


def build_from_adapter(
    path: str | Path,
    sam_checkpoint: str | Path | None = None,
    attention: str = "auto",
    checkpoint_blocks: bool = False,
) -> CobotSAM:
    """The fine-tuned model that an adapter file describes, on its base model.

    Args:
        path: the adapter file.
        sam_checkpoint: weights of the base model, needed for the official sizes.
        attention: how the image encoder computes; see :func:`speed_up`.
        checkpoint_blocks: likewise.
    """
    manifest = read_manifest(path)
    base = manifest["base"]
    if sam_checkpoint is None and base["weights"] == "random":
        sam_checkpoint = "random"
    model = build_adapted_sam(
        base["sam"],
        sam_checkpoint,
        base["image_size"],
        manifest["method"],
        manifest["options"],
        manifest["orchestrate"],
        manifest["orchestration"],
        prompts=manifest["prompts"],
        organs=len(manifest.get("organs", ())),
        last_blocks=manifest["last_blocks"],
        attention=attention,
        checkpoint_blocks=checkpoint_blocks,
    )
    load_adapter(model, path)
    return model


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise CobotError(f"no adapter file at {path}: train first, or give the file that it wrote")
    try:
        with safe_open(path, framework="pt") as file:
            manifest = json.loads((file.metadata() or {}).get("manifest", "{}"))
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CobotError(f"{path} is no adapter file ({error}): train again") from error
    if manifest.get("format") != FORMAT:
        raise CobotError(
            f"{path} is no adapter file of this package: its format is "
            f"{manifest.get('format')!r}, expected {FORMAT!r}"
        )
    manifest.setdefault("prompts", "box")  # files from before there were others
    manifest.setdefault("last_blocks", None)
    base = manifest.get("base", {})
    missing = [key for key in REQUIRED if key not in manifest]
    missing += [f"base {key}" for key in BaseModel.__dataclass_fields__ if key not in base]
    if missing:
        raise CobotError(f"the manifest of {path} lacks {', '.join(missing)}: train again")
    if manifest["orchestrate"]:  # files from before there were ablations lack their settings
        manifest["orchestration"] = asdict(orchestration_settings(manifest["orchestration"]))
    return manifest, state


def _check_manifest(manifest: Mapping[str, Any], model: CobotSAM, path: Path) -> None:
    here = make_manifest(model)
    base, wanted = manifest["base"], here["base"]
    differences = [
        f"{name} {base[name]!r} (file) and {wanted[name]!r} (here)"
        for name in ("sam", "sha256", "image_size")
        if base[name] != wanted[name]
    ] + [
        f"{name} {manifest[name]!r} (file) and {here[name]!r} (here)"
        for name in ("method", "options", "orchestrate", "orchestration", "prompts", "last_blocks")
        if manifest[name] != here[name]
    ]
    if differences:
        raise CobotError(
            f"adapter {path} was trained on another model; they differ in "
            f"{'; '.join(differences)}: "
            f"load it with the base weights {base['weights']!r} and the settings in its manifest"
        )
