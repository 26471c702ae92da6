"""What data a run has seen, as one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from monai_cobot.data.label_values import label_values
from monai_cobot.data.spec import Case

MANY = 100
"""From so many cases on it takes a while, and a bar is shown."""

_FILES = ("mask_files", "index_mask")
"""Keys of an instance that name files: their content counts, not where they lie."""


def hash_cases(cases: Sequence[Case], progress: bool = False) -> str:
    """SHA-256 over name, patient, files and instances of all cases, in the order of names.

    Counted are the bytes of the image, of the label (with its ``label_values``), and of the masks
    of the instances, and what else the instances say. Where the files lie does not count.

    Raises:
        OSError: a file that cannot be read.
    """
    digest = hashlib.sha256()
    ordered = sorted(cases, key=lambda case: str(case["case"]))
    shown = progress and len(cases) >= MANY
    for case in tqdm(ordered, desc="hashing files", disable=not shown):
        digest.update(f"{case['case']}|{case['patient']}|".encode())
        for path in _files(case):
            with Path(path).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        if "label_values" in case:
            digest.update(json.dumps(label_values(case), sort_keys=True).encode())
        if "instances" in case:
            digest.update(json.dumps(_words(case["instances"]), sort_keys=True).encode())
    return digest.hexdigest()


def _files(case: Case) -> list[str]:
    """Files of a case, each once: image, label, masks in the order of the instances."""
    files = [case[key] for key in ("image", "label") if key in case]
    for instance in case.get("instances", ()):
        files += instance.get("mask_files", ())
        files += [instance["index_mask"]] if "index_mask" in instance else []
    return list(dict.fromkeys(map(str, files)))


def _words(instances: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the instances say, without the names of their files."""
    return [
        {key: value for key, value in instance.items() if key not in _FILES}
        for instance in instances
    ]
