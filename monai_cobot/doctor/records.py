"""What is kept of a case after its files were read, to compare it with the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Position: TypeAlias = NDArray[np.float64]
"""A point (3,), RAS mm."""


@dataclass(frozen=True)
class OrganRecord:
    """An organ in a label.

    Attributes:
        voxels: how many.
        millilitres: its volume.
        position: its centre, RAS mm.
        cut: whether it reaches the border of the scan, so that part of it may be missing.
    """

    voxels: int
    millilitres: float
    position: Position
    cut: bool


@dataclass(frozen=True)
class CaseRecord:
    """A case.

    Attributes:
        case, patient: their names.
        image: the image's file.
        label: the label's file, "" without one, or for pictures.
        part: "training", "validation" or "test" where the dataset publishes its lists, else "".
        image_hash: of the voxels or pixels, the same for a copy under another name; "" without.
        label_hash: of the label's voxels; "" where there is none or it is empty.
        spacing: mm along the patient's axes (left-right, back-front, feet-head); volumes.
        axes: orientation of the file, such as "LPS"; volumes.
        organs: of the label, by name; volumes.
        body: centre of what is brighter than air, RAS mm; volumes.
        instances: how many of each class; pictures.
    """

    case: str
    patient: str
    image: str
    label: str = ""
    part: str = ""
    image_hash: str = ""
    label_hash: str = ""
    spacing: tuple[float, ...] = ()
    axes: str = ""
    organs: dict[str, OrganRecord] = field(default_factory=dict)
    body: Position | None = None
    instances: dict[str, int] = field(default_factory=dict)

    @property
    def truth_file(self) -> str:
        """The label's file, or the image's where there is none."""
        return self.label or self.image

    def to_dict(self) -> dict[str, Any]:
        """What the JSON says of a case; keys that do not apply are left out."""
        said = {
            "case": self.case,
            "patient": self.patient,
            "part": self.part,
            "image": self.image,
            "label": self.label,
            "axes": self.axes,
            "spacing_mm": [round(value, 4) for value in self.spacing],
            "organs_ml": {name: round(o.millilitres, 3) for name, o in self.organs.items()},
            "instances": self.instances,
        }
        return {key: value for key, value in said.items() if value}
