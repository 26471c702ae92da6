"""What a job may take of a machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from monai_cobot.errors import CobotError


@dataclass(frozen=True)
class Resources:
    """Of one job.

    Attributes:
        cpus: cores, and threads of PyTorch.
        gpus: 1, a part of one (0.5: two jobs share it), 0, or None for one where there is one.
    """

    cpus: int = 1
    gpus: float | None = None

    def gpus_of(self, there: float) -> float:
        """How much of a GPU a job takes where so many GPUs are."""
        return float(min(1.0, there)) if self.gpus is None else self.gpus

    def environment(self, gpus: float) -> dict[str, str]:
        """Variables of the job's process; which GPU it sees is set by who gives it one."""
        hidden = {} if gpus else {"CUDA_VISIBLE_DEVICES": ""}
        return {"OMP_NUM_THREADS": str(self.cpus), **hidden}


def visible_gpus(environment: Mapping[str, str] | None = None) -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [str(place) for place in range(torch.cuda.device_count())]


def gpu_places(resources: Resources, gpus: list[str], jobs: int) -> list[str]:
    """The GPU of each of the jobs that run at once; empty where they use none.

    Raises:
        CobotError: not enough of them for so many jobs.
    """
    share = resources.gpus_of(len(gpus))
    if not share:
        return []
    each = int(1 / share + 1e-9)  # 1/3 is a little less than a third
    places = [gpu for _ in range(each) for gpu in gpus]
    if len(places) < jobs:
        raise CobotError(
            f"--jobs {jobs}, but the GPUs here ({len(gpus)}) are enough for {len(places)} with "
            f"{share:g} a job: give at most that many, or resources: {{gpus: …}} in the YAML, "
            "as 0.5 for two jobs on a GPU, or 0"
        )
    return places[:jobs]
