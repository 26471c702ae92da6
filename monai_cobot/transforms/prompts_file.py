"""The file of box prompts (``prompts_file``): reading, checking and writing.

A JSON document, checked against ``prompts.schema.json`` beside this module::

    {"schema": "monai_cobot/prompts/1",
     "frame": "source",
     "units": "voxel edges",
     "cases": {"case_0001": {"boxes": [
         {"organ": "liver", "slice": 31, "box": [40, 52, 118, 130]}]}}}

Frame and units: indices of the array as the image file stores it, before any reorientation.
``slice`` counts from 0 along the array axis that runs nearest to head-feet (for usual CT files the
third). ``box`` is x0, y0, x1, y1, where x runs along the first of the two other array axes and y
along the second, in voxel edges, half open: ``[40, 52, 118, 130]`` covers the voxels 40..117 and
52..129. Numbers may be fractions. An organ may have several boxes on a slice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from monai_cobot.errors import CobotError
from monai_cobot.transforms.prompts import BoxPrompt
from monai_cobot.whole_file import whole_file

SCHEMA = "monai_cobot/prompts/1"


def load_prompts(
    path: str | os.PathLike[str], organs: Mapping[str, int]
) -> dict[str, list[BoxPrompt]]:
    """Read a file of box prompts.

    Args:
        path: the JSON file.
        organs: the organ table, name to label value.

    Returns:
        Case to its prompts, in the source frame. That they lie within the image is checked by
        :func:`~monai_cobot.transforms.prompts.prompts_to_slices`, which knows the image.

    Raises:
        CobotError: no such file, no JSON, another schema, or an unknown organ; the message names
            case and entry.
    """
    document = _read(Path(path))
    prompts: dict[str, list[BoxPrompt]] = {}
    for case, entry in document["cases"].items():
        prompts[case] = []
        for number, box in enumerate(entry["boxes"]):
            place = f"{path}: case {case}, box {number}"
            if box["organ"] not in organs:
                raise CobotError(
                    f"{place}: unknown organ {box['organ']!r}: choose of {', '.join(organs)}"
                )
            x0, y0, x1, y1 = (float(edge) for edge in box["box"])
            prompts[case].append(
                BoxPrompt(organs[box["organ"]], int(box["slice"]), (x0, y0, x1, y1), place)
            )
    return prompts


def write_prompts(
    path: str | os.PathLike[str],
    prompts: Mapping[str, Sequence[BoxPrompt]],
    organs: Mapping[str, int],
) -> None:
    """Write a file that :func:`load_prompts` reads to the same prompts; all or nothing.

    Args:
        path: the JSON file; its folder is made.
        prompts: case to its prompts, source frame. A case without any is left out.
        organs: the organ table, name to label value.

    Raises:
        CobotError: a prompt's organ is not in the table.
    """
    names = {label: name for name, label in organs.items()}
    unknown = sorted({p.organ for case in prompts.values() for p in case} - set(names))
    if unknown:
        raise CobotError(f"labels {unknown} are not in the organ table {dict(organs)}: add them")
    cases = {
        case: {
            "boxes": [
                {"organ": names[p.organ], "slice": p.slice, "box": list(p.box)} for p in boxes
            ]
        }
        for case, boxes in prompts.items()
        if boxes
    }
    document = {"schema": SCHEMA, "frame": "source", "units": "voxel edges", "cases": cases}
    with whole_file(path) as file:
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CobotError(f"cannot read prompts_file {path}: {error.strerror}") from error
    except ValueError as error:
        raise CobotError(f"prompts_file {path} is no JSON ({error}): see {SCHEMA}") from error
    text = resources.files("monai_cobot.transforms").joinpath("prompts.schema.json").read_text()
    validator = jsonschema.Draft202012Validator(json.loads(text))
    broken = next(validator.iter_errors(document), None)
    if broken is not None:
        at = " / ".join(str(step) for step in broken.absolute_path) or "top level"
        raise CobotError(f"prompts_file {path} does not follow {SCHEMA} at {at}: {broken.message}")
    return document
