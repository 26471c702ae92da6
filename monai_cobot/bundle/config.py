"""The config that is being evaluated: where its bundle is, and what it says."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigWorkflow


def find_bundle_root() -> str:
    """Folder of the bundle whose config is being evaluated, absolute.

    MONAI hands a config no path of its own. It is taken from the ``ConfigWorkflow`` that evaluates
    the config, else from ``--config_file`` of the command line, else it is the working directory.
    """
    config = _from_workflow() or _from_command_line()
    if config is None:
        return os.getcwd()
    folder = config.resolve()
    return str(folder.parent if folder.name == "configs" else folder)


def find_workflow() -> ConfigWorkflow | None:
    """The workflow whose config is being evaluated, where there is one."""
    frame = inspect.currentframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, ConfigWorkflow):
            return owner
        frame = frame.f_back
    return None


def written_configuration(without: Collection[str]) -> dict[str, Any] | None:
    """The config as it is written, overrides included: values by ids as ``loss#sigmoid``.

    Args:
        without: top-level ids that do not change what is computed.

    Returns:
        JSON values; ``None`` where no workflow evaluates a config.
    """
    workflow = find_workflow()
    if workflow is None:
        return None
    raw = workflow.parser.get()
    kept = {key: value for key, value in raw.items() if key not in {*without, "_meta_"}}
    return dict(_leaves(json.loads(json.dumps(kept, default=str))))


def hash_configuration(written: Mapping[str, Any] | None) -> str | None:
    """SHA-256 of :func:`written_configuration`."""
    if written is None:
        return None
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The values within mappings and lists, by MONAI's ids; what is empty is a value."""
    inner = list(enumerate(value)) if isinstance(value, list) else value
    if not inner or not isinstance(inner, list | Mapping):
        yield name, value
        return
    for key, part in inner.items() if isinstance(inner, Mapping) else inner:
        yield from _leaves(part, f"{name}#{key}" if name else str(key))


def _from_workflow() -> Path | None:
    workflow = find_workflow()
    return None if workflow is None else Path(workflow.config_root_path)


def _from_command_line() -> Path | None:
    arguments = sys.argv[1:]
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name not in ("--config_file", "-c"):
            continue
        if not equals:
            value = arguments[position + 1] if position + 1 < len(arguments) else ""
        files = yaml.safe_load(value) if value.strip().startswith("[") else [value]
        return Path(files[0]).parent if files and files[0] else None
    return None
