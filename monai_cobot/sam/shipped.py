"""Weights that the package ships, checked when they are read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load
from torch import Tensor

from monai_cobot.errors import CobotError

FOLDER = Path(__file__).with_name("weights")


@dataclass(frozen=True)
class ShippedWeights:
    """A file in ``sam/weights`` and the SHA-256 of its bytes."""

    file: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return FOLDER / self.file


SHIPPED = {
    "small": ShippedWeights(
        "sam_small.safetensors",
        "0c7726c005c906c70302855c4533f250f1180b56adb5d78aa0c5a7b62f97fd97",
    )
}
"""By the name of the SAM's size. Stored in half precision; networks compute in single."""


def load_shipped(name: str) -> dict[str, Tensor]:
    """The shipped weights of a size, as single precision tensors.

    Raises:
        CobotError: the file is missing or is not the one that was shipped.
    """
    shipped = SHIPPED[name]
    remedy = "install monai-cobot again, or give another sam_checkpoint"
    try:
        content = shipped.path.read_bytes()
    except OSError as error:
        raise CobotError(f"{shipped.path} cannot be read ({error.strerror}): {remedy}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != shipped.sha256:
        raise CobotError(
            f"{shipped.path} has the SHA-256 {found}, not {shipped.sha256}: it was changed or cut "
            f"off; {remedy}"
        )
    return {key: value.float() for key, value in load(content).items()}
