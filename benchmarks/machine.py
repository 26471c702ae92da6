"""The facts of a machine that numbers depend on."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

PEERS = {"transformers": "transformers", "peft": "peft", "skimage": "scikit-image"}
"""Libraries that ours is held against besides segment-anything, by the name of their module."""


def machine(device: str) -> dict[str, Any]:
    """Processor, GPU, and versions, as JSON gives them back."""
    facts: dict[str, Any] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "monai_cobot": version("monai_cobot"),
    }
    if device.startswith("cuda"):
        facts |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    installed = {PEERS[name]: version(PEERS[name]) for name in PEERS if name not in missing()}
    return facts | installed


def missing() -> list[str]:
    """Modules of peers that are not installed."""
    return [name for name in PEERS if importlib.util.find_spec(name) is None]


def processor() -> str:
    """The name of the processor, where the system tells."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
