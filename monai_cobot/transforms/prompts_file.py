"""The file of prompts (``prompts_file``): reading, checking and writing.

A JSON document::

    {"schema": "monai_cobot/prompts/2",
     "frame": "source",
     "units": "voxel edges",
     "cases": {"case_0001": {
         "boxes": [
             {"organ": "liver", "slice": 31, "box": [40, 52, 118, 130]},
             {"organ": "spleen", "slice": 30, "box": [12, 60, 34, 88], "propagate": true},
             {"organ": "aorta", "box3d": [60, 70, 20, 72, 82, 45]}],
         "masks": [
             {"organ": "pancreas", "mask": "pancreas.nii.gz", "label": 1, "up_to": [18, 40]}]}}}

Frame and units: indices of the array as the image file stores it, before any reorientation.
``slice`` counts from 0 along the array axis that runs nearest to head-feet (for usual CT files the
third). ``box`` is x0, y0, x1, y1, where x runs along the first of the two other array axes and y
along the second, in voxel edges, half open: ``[40, 52, 118, 130]`` covers the voxels 40..117 and
52..129. Numbers may be fractions. An organ may have several boxes on a slice.

``box3d`` is x0, y0, z0, x1, y1, z1, z along the slices: the same box on every slice whose middle
lies within. A mask is a NIfTI file on the image's grid, its path taken from the folder of the
document, in which the organ's voxels have the value ``label`` (else the organ's own). A box with
``propagate`` and every mask are carried through the volume, ``up_to`` the two slices given.

Version 1 has boxes on slices alone. The schemas are ``prompts.schema.json`` (version 1) and
``prompts_2.schema.json`` beside this module.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from monai_cobot.errors import CobotError
from monai_cobot.transforms.prompts import BoxPrompt
from monai_cobot.transforms.starts import MaskPrompt, Prompt
from monai_cobot.whole_file import whole_file

SCHEMA = "monai_cobot/prompts/1"
SCHEMA_2 = "monai_cobot/prompts/2"
FILES = {SCHEMA: "prompts.schema.json", SCHEMA_2: "prompts_2.schema.json"}


def load_prompts(
    path: str | os.PathLike[str], organs: Mapping[str, int]
) -> dict[str, list[Prompt]]:
    """Read a file of prompts.

    Args:
        path: the JSON file.
        organs: the organ table, name to label value.

    Returns:
        Case to its prompts, in the source frame, a 3D box as a box on each of its slices. That
        they lie within the image is checked by those who know the image:
        :func:`~monai_cobot.transforms.prompts.prompts_to_slices` and
        :func:`~monai_cobot.transforms.starts.prompts_to_starts`.

    Raises:
        CobotError: no such file, no JSON, another schema, an unknown organ, or a box that is both
            2D and 3D or neither; the message names case and entry.
    """
    document = _read(Path(path))
    prompts: dict[str, list[Prompt]] = {}
    for case, entry in document["cases"].items():
        prompts[case] = []
        for number, box in enumerate(entry.get("boxes", ())):
            place = f"{path}: case {case}, box {number}"
            prompts[case] += _boxes(box, _label(box["organ"], organs, place), place)
        for number, mask in enumerate(entry.get("masks", ())):
            place = f"{path}: case {case}, mask {number}"
            organ = _label(mask["organ"], organs, place)
            file = Path(path).parent / Path(mask["mask"]).expanduser()
            prompts[case].append(
                MaskPrompt(organ, file, mask.get("label", organ), _pair(mask.get("up_to")), place)
            )
    return prompts


def write_prompts(
    path: str | os.PathLike[str],
    prompts: Mapping[str, Sequence[BoxPrompt]],
    organs: Mapping[str, int],
) -> None:
    """Write a file that :func:`load_prompts` reads to the same prompts; all or nothing.

    It is of version 1 unless one of them propagates.

    Args:
        path: the JSON file; its folder is made.
        prompts: case to its boxes, source frame. A case without any is left out.
        organs: the organ table, name to label value.

    Raises:
        CobotError: a prompt's organ is not in the table.
    """
    names = {label: name for name, label in organs.items()}
    everything = [prompt for case in prompts.values() for prompt in case]
    unknown = sorted({prompt.organ for prompt in everything} - set(names))
    if unknown:
        raise CobotError(f"labels {unknown} are not in the organ table {dict(organs)}: add them")
    cases = {
        case: {"boxes": [_entry(prompt, names) for prompt in boxes]}
        for case, boxes in prompts.items()
        if boxes
    }
    schema = SCHEMA_2 if any(prompt.propagate for prompt in everything) else SCHEMA
    document = {"schema": schema, "frame": "source", "units": "voxel edges", "cases": cases}
    with whole_file(path) as file:
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _boxes(entry: Mapping[str, Any], organ: int, place: str) -> Iterator[BoxPrompt]:
    """The boxes of an entry: one, or that of a 3D box on each of its slices."""
    if ("box" in entry) == ("box3d" in entry):
        raise CobotError(f"{place}: give either 'slice' and 'box', or 'box3d'")
    if "box" in entry:
        x0, y0, x1, y1 = (float(edge) for edge in entry["box"])
        yield BoxPrompt(
            organ,
            int(entry["slice"]),
            (x0, y0, x1, y1),
            place,
            entry.get("propagate", False),
            _pair(entry.get("up_to")),
        )
        return
    x0, y0, z0, x1, y1, z1 = (float(edge) for edge in entry["box3d"])
    slices = range(math.ceil(z0 - 0.5), math.ceil(z1 - 0.5))
    if not slices:
        raise CobotError(
            f"{place}: box3d {entry['box3d']} covers the middle of no slice: give z0 < z1, in "
            "voxel edges along the slices"
        )
    for index in slices:
        yield BoxPrompt(organ, index, (x0, y0, x1, y1), place)


def _entry(prompt: BoxPrompt, names: Mapping[int, str]) -> dict[str, Any]:
    entry = {"organ": names[prompt.organ], "slice": prompt.slice, "box": list(prompt.box)}
    if prompt.propagate:
        entry["propagate"] = True
        if prompt.up_to is not None:
            entry["up_to"] = list(prompt.up_to)
    return entry


def _label(organ: str, organs: Mapping[str, int], place: str) -> int:
    if organ not in organs:
        raise CobotError(f"{place}: unknown organ {organ!r}: choose of {', '.join(organs)}")
    return organs[organ]


def _pair(up_to: Sequence[int] | None) -> tuple[int, int] | None:
    return None if up_to is None else (int(up_to[0]), int(up_to[1]))


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CobotError(f"cannot read prompts_file {path}: {error.strerror}") from error
    except ValueError as error:
        raise CobotError(f"prompts_file {path} is no JSON ({error}): see {SCHEMA_2}") from error
    version = document.get("schema") if isinstance(document, dict) else None
    if isinstance(document, dict) and version not in FILES:
        raise CobotError(
            f"prompts_file {path} has schema {version!r}: give {SCHEMA} (boxes on slices) or "
            f"{SCHEMA_2}"
        )
    schema = FILES.get(str(version), FILES[SCHEMA_2])
    text = resources.files("monai_cobot.transforms").joinpath(schema).read_text()
    validator = jsonschema.Draft202012Validator(json.loads(text))
    broken = next(validator.iter_errors(document), None)
    if broken is not None:
        at = " / ".join(str(step) for step in broken.absolute_path) or "top level"
        raise CobotError(
            f"prompts_file {path} does not follow {version or SCHEMA_2} at {at}: {broken.message}"
        )
    return document
