"""Datalists: JSON files that name images, labels and patients."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from monai_cobot.data.problems import Problem, Refused, aside
from monai_cobot.data.spec import Case
from monai_cobot.errors import CobotError

NIFTI_ENDINGS = (".nii.gz", ".nii")
CHANNEL = "_0000"
"""nnU-Net's and FLARE's suffix of the first (here: the only) channel of an image."""


def dataset_folder(directory: str | Path) -> Path:
    """The absolute path of a folder that exists; CobotError where it does not."""
    root = Path(directory).expanduser().resolve()
    if not root.is_dir():
        raise CobotError(f"{root} is no folder: give dataset_dir, the folder of the dataset")
    return root


def read_json(path: str | Path, unique_keys: bool = False) -> dict[str, Any]:
    """Read a JSON file whose top level is an object.

    Args:
        path: the file.
        unique_keys: refuse an object that has a key twice, of which JSON keeps the last.

    Raises:
        CobotError: missing, unreadable, not JSON, a key twice, or another top level.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_unique if unique_keys else None)
    except FileNotFoundError:
        raise CobotError(f"{path} does not exist: check the path") from None
    except (OSError, ValueError) as error:
        raise CobotError(f"{path} is not readable as JSON ({error}): mend or remove it") from None
    if not isinstance(content, dict):
        raise CobotError(f"{path} must hold a JSON object, found {type(content).__name__}")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counts = Counter(key for key, _ in pairs)
    for key, count in counts.items():
        if count > 1:
            raise ValueError(f"{key!r} is there twice")
    return dict(pairs)


def case_name(path: str | Path) -> str:
    """Name of the case that a NIfTI file belongs to: no folder, ending or channel suffix."""
    name = Path(path).name
    for ending in NIFTI_ENDINGS:
        if name.endswith(ending):
            return name.removesuffix(ending).removesuffix(CHANNEL)
    return Path(name).stem


def cases_from_datalist(
    path: str | Path,
    key: str = "training",
    patient_of: Callable[[str], str] = str,
) -> list[Case]:
    """Cases of a datalist ``{"training": [{"image": …, "label": …, "patient": …}]}``.

    Args:
        path: the JSON file; relative image and label paths are taken from its folder.
        key: which list.
        patient_of: patient of a case name, where the entry has no ``patient``.

    Raises:
        CobotError: no such list, an entry without image or label, a file that does not exist (also
            not with nnU-Net's ``_0000``), a case named twice.
    """
    path = Path(path)
    entries = read_json(path).get(key)
    if not isinstance(entries, list) or not entries:
        raise CobotError(f"{path} has no cases in a list {key!r}: add them, or name another list")
    cases: list[Case] = []
    for entry in entries:
        with aside("datalist_entry", path):
            cases.append(_case(entry, path, key, patient_of))
    return sorted_cases(cases, path)


def sorted_cases(cases: Iterable[Case], source: str | Path) -> list[Case]:
    """Sort by name; CobotError if a name comes twice."""
    result = sorted(cases, key=lambda case: str(case["case"]))
    for name, count in Counter(case["case"] for case in result).items():
        with aside("case_twice", source, name):
            if count > 1:
                raise CobotError(f"{source}: case {name!r} is there twice: rename or remove one")
    return result


def _case(entry: object, path: Path, key: str, patient_of: Callable[[str], str]) -> Case:
    if not isinstance(entry, Mapping) or not {"image", "label"} <= set(entry):
        raise CobotError(f"{path}: {key} entry {entry!r} needs both an 'image' and a 'label' path")
    image, label = (existing_file(entry[name], path) for name in ("image", "label"))
    name = str(entry.get("case") or case_name(label))
    return {
        **entry,
        "case": name,
        "patient": patient_of_entry(entry.get("patient"), name, path, patient_of),
        "image": str(image),
        "label": str(label),
    }


def patient_of_entry(
    patient: object, case: str, path: Path, patient_of: Callable[[str], str] = str
) -> str:
    """The entry's patient, 0 included; the dataset's rule where there is none.

    Raises:
        CobotError: an empty one.
    """
    if patient is None:
        return patient_of(case)
    if not str(patient).strip():
        raise CobotError(f"{path}: case {case} has an empty patient: name it or leave the key out")
    return str(patient)


def existing_file(name: object, path: Path) -> Path:
    """A file that a datalist names, its path taken from the datalist's folder.

    Raises:
        CobotError: no file name, or no such file (also not with nnU-Net's ``_0000``).
    """
    if not isinstance(name, str):
        raise CobotError(f"{path}: {name!r} must be one file name: name a single channel")
    file = (path.parent / name).resolve()
    with_channel = file.with_name(f"{case_name(file)}{CHANNEL}.nii.gz")
    for candidate in (file, with_channel):
        if candidate.is_file():
            return candidate
    message = f"{path} names {name}, which does not exist: restore it or remove its entry"
    raise Refused(Problem("missing_file", message, str(file), case_name(file)))
