"""A prompts file of many cases, handed to a bundle that gets one case at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from monai_cobot.errors import CobotError
from monai_cobot.transforms import load_prompts


class CasePrompts:
    """The prompts of a file, a case at a time.

    Args:
        path: the prompts file.
        organs: the bundle's organ table.
        cases: names of all cases.

    Raises:
        CobotError: no usable file, or it names none but these cases.
    """

    def __init__(self, path: str | Path, organs: Mapping[str, int], cases: Collection[str]) -> None:
        self.path = Path(path).expanduser().resolve()
        load_prompts(self.path, organs)
        self.document = json.loads(self.path.read_text(encoding="utf-8"))
        strangers = sorted(set(self.document["cases"]) - set(cases))
        if strangers:
            raise CobotError(
                f"{self.path} names case {strangers[0]!r}, which is not among the images "
                f"({', '.join(sorted(cases)[:5])}{' …' if len(cases) > 5 else ''}): a case has "
                "the name of its NIfTI file without ending, or of its DICOM series' folder"
            )

    def write(self, case: str, folder: Path) -> Path:
        """Writes one case's prompts to ``folder``; of a case that has none, a file without any."""
        own = {
            name: self._moved(entry)
            for name, entry in self.document["cases"].items()
            if name == case
        }
        file = folder / self.path.name
        file.write_text(json.dumps({**self.document, "cases": own}), encoding="utf-8")
        return file

    def _moved(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """A case's entry whose mask files are found from anywhere."""
        moved = dict(entry)
        if "masks" in entry:
            moved["masks"] = [
                {**mask, "mask": str(self.path.parent / Path(mask["mask"]).expanduser())}
                for mask in entry["masks"]
            ]
        return moved
