"""What the tests of the slice cache share: items, and a reader that notes what it reads."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_cobot.data.phantom import make_cohort
from monai_cobot.transforms import Preprocessing, volume_transforms

CT = Preprocessing("CT", (-160, 240))
RECIPE = CT.to_dict()


def make_items(folder: Path, cases: int = 3) -> list[dict[str, Any]]:
    """Datalist items of a synthetic cohort."""
    folder = make_cohort(folder, cases, seed=5, shape=(48, 56, 16))
    return [
        {
            "case": label.name.removesuffix(".nii.gz"),
            "patient": label.name,
            "image": str(folder / "images" / label.name.replace(".nii.gz", "_0000.nii.gz")),
            "label": str(label),
        }
        for label in sorted((folder / "labels").glob("*.nii.gz"))
    ]


class Counting:
    """Reads as the bundles do, and notes in a file that it has."""

    def __init__(self, notes: Path, seconds: float = 0.0) -> None:
        self.notes, self.seconds, self.read = notes, seconds, volume_transforms(CT)

    def __call__(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        with self.notes.open("a") as file:
            file.write(item["case"] + "\n")
        time.sleep(self.seconds)
        return self.read(item)

    @property
    def times(self) -> int:
        return len(self.notes.read_text().split()) if self.notes.exists() else 0
