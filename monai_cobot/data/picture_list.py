"""Datalists of pictures: JSON files that name pictures and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_cobot.data.datalist import (
    dataset_folder,
    existing_file,
    patient_of_entry,
    read_json,
    sorted_cases,
)
from monai_cobot.data.image_files import mask_pixels, plain_images
from monai_cobot.data.problems import Problem, Refused, aside
from monai_cobot.data.spec import Case
from monai_cobot.errors import CobotError

EXPECTED = 'a datalist JSON, {"training": [{"image": …, "mask": …}]}, or instances for the mask'


@dataclass(frozen=True)
class PictureList:
    """Finds pictures by a datalist; for inference in a plain folder.

    Attributes:
        labels: the organ table, name to label, which is the organ's value in a mask file.
    """

    labels: Mapping[str, int]

    def find_cases(self, directory: str | Path) -> list[Case]:
        """Cases of a datalist's ``training``, sorted by name.

        An entry has ``image`` and either ``mask``, a picture whose pixels of an organ's label are
        one instance, or ``instances`` as `data/spec.py` describes them, whose number may be left
        out. Relative paths are taken from the datalist's folder. ``case`` is else the picture's
        name without ending, ``patient`` the case.

        Raises:
            CobotError: no such file or list, an entry with neither or both, a file that does not
                exist, a mask with other values than the table's, a case named twice.
        """
        path = Path(directory)
        entries = read_json(path).get("training")
        if not isinstance(entries, list) or not entries:
            raise CobotError(f"{path} has no pictures in a list 'training': expected {EXPECTED}")
        cases = []
        for entry in entries:
            with aside("datalist_entry", path):
                cases.append(self._case(entry, path))
        return sorted_cases(cases, path)

    def find_images(self, directory: str | Path) -> list[Case]:
        """Pictures of a folder, for inference; CobotError where there is none."""
        return plain_images(dataset_folder(directory), EXPECTED)

    def _case(self, entry: object, path: Path) -> Case:
        if not isinstance(entry, Mapping) or "image" not in entry:
            raise CobotError(f"{path}: entry {entry!r} needs an 'image': expected {EXPECTED}")
        if ("mask" in entry) == ("instances" in entry):
            raise CobotError(f"{path}: entry {entry!r} needs a 'mask' or 'instances', one of them")
        image = existing_file(entry["image"], path)
        name = str(entry.get("case") or image.stem)
        own = dict(entry)
        if "mask" in entry:
            own["mask"] = str(existing_file(entry["mask"], path))
            instances = self._from_mask(Path(own["mask"]))
        else:
            instances = _resolved(entry["instances"], path)
        return {
            **own,
            "case": name,
            "patient": patient_of_entry(entry.get("patient"), name, path),
            "image": str(image),
            "instances": instances,
        }

    def _from_mask(self, mask: Path) -> list[dict[str, Any]]:
        """An instance an organ that the mask file holds."""
        present = set(np.unique(mask_pixels(mask)).tolist())
        strange = sorted(present - {0, *self.labels.values()})
        if strange:
            message = (
                f"{mask} has numbers {strange[:5]} outside the class table: renumber it (0 and the "
                f"labels {sorted(self.labels.values())}), or add them to the organ table"
            )
            raise Refused(Problem("mask_values", message, str(mask)))
        return [
            {"instance": label, "organ": organ, "index_mask": str(mask), "value": label}
            for organ, label in self.labels.items()
            if label in present
        ]


def _resolved(instances: object, path: Path) -> list[dict[str, Any]]:
    """The instances with a number each and absolute paths."""
    if not isinstance(instances, list) or not all(
        isinstance(instance, Mapping) and "organ" in instance for instance in instances
    ):
        raise CobotError(f"{path}: instances {instances!r} must be a list, each with an 'organ'")
    absolute: dict[str, Callable[[Any], Any]] = {
        "mask_files": lambda files: [str(existing_file(file, path)) for file in files],
        "index_mask": lambda file: str(existing_file(file, path)),
    }
    return [
        {"instance": number}
        | {key: absolute.get(key, lambda value: value)(value) for key, value in instance.items()}
        for number, instance in enumerate(instances, start=1)
    ]
