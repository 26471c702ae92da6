"""What a dataset has to tell: its organs, its window, and how its files are found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from monai_cobot.errors import CobotError

Case: TypeAlias = dict[str, Any]
"""One item of a datalist (a volume, or an image):

- ``case``: its name, unique within the dataset, used for output files;
- ``patient``: whom it belongs to; a split never puts one patient on two sides;
- ``image``: absolute path of the image;
- ``label``: absolute path of the truth (absent where there is none, in inference);
- ``slices``: only in a split by slice: the slices of this side, z in the voxel frame (RAS).

A reader may add keys of its own; they are carried along untouched.
"""


class Reader(Protocol):
    """Finds the files of one dataset. A new layout is a new class with these two methods."""

    def find_cases(self, directory: str | Path) -> list[Case]:
        """Labelled cases below ``directory``, sorted by name; CobotError says what was expected."""

    def find_images(self, directory: str | Path) -> list[Case]:
        """Images for inference, sorted by name; ``label`` only where a truth lies beside them."""


@dataclass(frozen=True)
class Organ:
    """A target: its number in the label files, its name, its surface Dice tolerance in mm."""

    label: int
    name: str
    surface_tolerance_mm: float


@dataclass(frozen=True)
class DatasetSpec:
    """One dataset.

    Attributes:
        code: short name in capitals, as in the paper's tables ("ADOME").
        title: what it is, for people.
        modality: "CT" (``window`` in HU) or "MR" (``window`` in percentiles).
        window: lowest and highest intensity that is kept.
        organs: the targets, by ascending label; 0 is the background and not among them.
        reader: finds the files.

    Raises:
        CobotError: labels that are not positive, ascending and unique; names that are not unique.
    """

    code: str
    title: str
    modality: str
    window: tuple[float, float]
    organs: tuple[Organ, ...]
    reader: Reader

    def __post_init__(self) -> None:
        labels = [organ.label for organ in self.organs]
        if not labels or labels[0] < 1 or labels != sorted(set(labels)):
            raise CobotError(f"{self.code}: organ labels {labels} must be 1 or more and ascending")
        if len(set(self.names)) != len(labels):
            raise CobotError(f"{self.code}: organ names must be unique, got {list(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the organs, in the order of their labels."""
        return tuple(organ.name for organ in self.organs)

    @property
    def labels(self) -> dict[str, int]:
        """Label of each organ by its name."""
        return {organ.name: organ.label for organ in self.organs}

    def find_cases(self, directory: str | Path) -> list[Case]:
        """Labelled cases below ``directory``, sorted by name (raises what the reader raises)."""
        return self.reader.find_cases(directory)

    def find_images(self, directory: str | Path) -> list[Case]:
        """Images below ``directory`` for inference, with ``label`` where there is one."""
        return self.reader.find_images(directory)
