"""Where a bundle's folder is, told from the config that is being read."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

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


def _from_workflow() -> Path | None:
    frame = inspect.currentframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, ConfigWorkflow):
            return Path(owner.config_root_path)
        frame = frame.f_back
    return None


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
