"""What a dataset has to tell: its organs, its window, and how its files are found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from monai_cobot.errors import CobotError

VOLUMES = ("CT", "MR")
IMAGES = ("US", "RGB", "SAR", "SONAR")

Case: TypeAlias = dict[str, Any]
"""One item of a datalist (a volume, or an image):

- ``case``: its name, unique within the dataset, used for output files (no path separators);
- ``patient``: the group that a split never puts on two sides: a patient, a video, a picture;
- ``image``: absolute path of the image;
- ``part``: "training", "validation" or "test", where the dataset publishes its lists;
- ``label``: volumes; absolute path of the truth (absent where there is none, in inference);
- ``label_values``: volumes, where a label file numbers the organs otherwise: value in the file to
  label of the organ; values that it does not name are background;
- ``slices``: volumes, only in a split by slice: the slices of this side, z in the voxel frame
  (RAS);
- ``annotations``: images; path of the file that says what is in it, for messages (optional);
- ``image_id``, ``categories``: images of a file in COCO's format; the id that it gives the image,
  and its category id of each class by name;
- ``instances``: images; the list of what the files say is in the picture, in their order (absent
  where there is no truth, empty where nothing is in the picture). Each is a dictionary of what
  JSON can hold:

  - ``instance``: the file's annotation id, else 1, 2, … within the image;
  - ``organ``: name of its class, one of the spec's organs;
  - ``box``: [x0, y0, x1, y1], slice frame (x along columns, y along rows, pixels), half-open
    pixel edges, as the file gives it: neither clipped nor made tight; absent where it gives none;
  - ``crowd``: True where the region holds several objects (COCO's ``iscrowd``); else absent.
    It stays in the list, is counted, and is never a target;
  - ``area``: in pixels, as a file in COCO's format gives it (optional);
  - the mask, one of these or none: ``segmentation``, COCO polygons or run lengths as in the file,
    with ``size`` [H, W] beside it; ``mask_files``, paths whose pixels other than 0 are united;
    ``index_mask``, a path, with ``value``: the pixels of this value, within ``box`` if there
    is one.

The targets of an image are its instances that are no crowd and have a mask. A reader may add keys
of its own, to a case or to an instance; they are carried along untouched.
"""


MASKS = ("segmentation", "mask_files", "index_mask")
"""The keys of an instance that hold its mask."""


def target_instances(case: Case) -> list[dict[str, Any]]:
    """Instances of an image that can be segmented: no crowd, and with a mask. In their order."""
    return [
        instance
        for instance in case.get("instances", ())
        if not instance.get("crowd") and any(key in instance for key in MASKS)
    ]


class Reader(Protocol):
    """Finds the files of one dataset. A new layout is a new class with these two methods."""

    def find_cases(self, directory: str | Path) -> list[Case]:
        """Labelled cases below ``directory``, sorted by name; CobotError says what was expected."""

    def find_images(self, directory: str | Path) -> list[Case]:
        """Images for inference, sorted by name; a truth only where one lies beside them."""


@dataclass(frozen=True)
class Organ:
    """A target, or a class of images.

    Attributes:
        label: its number: that of the label files, or for images its place in the class list.
        name: in the dataset's own spelling.
        surface_tolerance_mm: tolerance of the surface Dice; NaN for images, which have no mm.
    """

    label: int
    name: str
    surface_tolerance_mm: float = math.nan


@dataclass(frozen=True)
class DatasetSpec:
    """One dataset.

    Attributes:
        code: short name in capitals, as in the paper's tables ("ADOME").
        title: what it is, for people.
        modality: volumes are "CT" (``window`` in HU) or "MR" (``window`` in percentiles); images
            are "US", "RGB", "SAR" or "SONAR" (``window`` is (0, 255) and not used).
        window: lowest and highest intensity that is kept.
        organs: the targets, by ascending label; 0 is the background and not among them.
        reader: finds the files.
        test_share: share of the pictures that is drawn for the test, where the protocol does so and
            not by lists; None follows published lists, and draws 20 % where there are none.

    Raises:
        CobotError: another modality; labels that are not positive, ascending and unique; names
            that are not unique; an organ of volumes without a tolerance.
    """

    code: str
    title: str
    modality: str
    window: tuple[float, float]
    organs: tuple[Organ, ...]
    reader: Reader
    test_share: float | None = None

    def __post_init__(self) -> None:
        if self.modality not in VOLUMES + IMAGES:
            raise CobotError(
                f"{self.code}: unknown modality {self.modality!r}: choose one of "
                f"{', '.join(VOLUMES + IMAGES)}"
            )
        labels = [organ.label for organ in self.organs]
        if not labels or labels[0] < 1 or labels != sorted(set(labels)):
            raise CobotError(f"{self.code}: organ labels {labels} must be 1 or more and ascending")
        if len(set(self.names)) != len(labels):
            raise CobotError(f"{self.code}: organ names must be unique, got {list(self.names)}")
        for organ in self.organs:
            if self.dimensions == 3 and not organ.surface_tolerance_mm > 0:
                raise CobotError(
                    f"{self.code}: {organ.name} needs a surface_tolerance_mm above 0, "
                    f"got {organ.surface_tolerance_mm}"
                )

    @property
    def dimensions(self) -> int:
        """3 for volumes, 2 for images."""
        return 3 if self.modality in VOLUMES else 2

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
        """Images below ``directory`` for inference, with their truth where there is one."""
        return self.reader.find_images(directory)
