"""An organ table: the JSON file that says what a dataset of one's own holds.

Checked against ``organ_table.schema.json`` beside this module::

    {"title": "Liver tumours", "modality": "CT", "window": [-160, 240],
     "organs": {"liver": 1, "tumour": {"label": 2, "surface_tolerance_mm": 2.0}}}

The cases are a datalist JSON (`data/datalist.py`, of pictures `data/picture_list.py`); of volumes
also folders in nnU-Net's or FLARE22's layout.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from monai_cobot.data.datalist import read_json
from monai_cobot.data.nifti_folders import FLARE_LAYOUT, NNUNET_LAYOUT, NiftiFolders
from monai_cobot.data.picture_list import PictureList
from monai_cobot.data.spec import IMAGES, DatasetSpec, Organ, Reader
from monai_cobot.errors import CobotError

TOLERANCE_MM = 3.0
"""Surface tolerance of an organ that names none: the median of FLARE22's 13, which are 2 to 7."""

WINDOWS = {"CT": (-160.0, 240.0), "MR": (0.5, 99.5)}
"""Windows where none is named: soft tissue in HU, and percentiles; pictures keep 0 to 255."""


def read_organ_table(path: str | Path) -> DatasetSpec:
    """Read a dataset of one's own from its organ table.

    Args:
        path: the JSON file. ``modality`` and ``organs`` (name to label, 1 to 255, or to ``label``
            and ``surface_tolerance_mm``) must be there; ``window``, ``title`` and ``code`` may be.

    Returns:
        The dataset, organs by ascending label. Its code is the file's name in capitals where the
        table has none.

    Raises:
        CobotError: no such file, no JSON, a name or label given twice, what the schema or
            DatasetSpec refuses; the message names the file and the place in it.
    """
    path = Path(path).expanduser()
    table = read_json(path, unique_keys=True)
    _check_schema(table, path)
    organs = sorted(_organs(table), key=lambda organ: organ.label)
    for label, count in Counter(organ.label for organ in organs).items():
        if count > 1:
            names = " and ".join(organ.name for organ in organs if organ.label == label)
            raise CobotError(f"{path}: {names} have the same label {label}: number them apart")
    low, high = table.get("window", WINDOWS.get(table["modality"], (0, 255)))
    if not low < high:
        raise CobotError(f"{path}: window [{low}, {high}] must be ascending")
    return DatasetSpec(
        code=table.get("code", path.stem.upper()),
        title=table.get("title", path.stem),
        modality=table["modality"],
        window=(float(low), float(high)),
        organs=tuple(organs),
        reader=_reader(table["modality"], organs),
    )


def _reader(modality: str, organs: Sequence[Organ]) -> Reader:
    if modality in IMAGES:
        return PictureList({organ.name: organ.label for organ in organs})
    return NiftiFolders(
        layouts=(FLARE_LAYOUT, NNUNET_LAYOUT),
        organs={organ.label: organ.name for organ in organs},
    )


def _organs(table: Mapping[str, Any]) -> list[Organ]:
    default = {} if table["modality"] in IMAGES else {"surface_tolerance_mm": TOLERANCE_MM}
    entries = (
        (name, entry if isinstance(entry, Mapping) else {"label": entry})
        for name, entry in table["organs"].items()
    )
    return [Organ(name=name, **{**default, **entry}) for name, entry in entries]


def _check_schema(table: Mapping[str, Any], path: Path) -> None:
    text = resources.files("monai_cobot.data").joinpath("organ_table.schema.json").read_text()
    validator = jsonschema.Draft202012Validator(json.loads(text))
    broken = jsonschema.exceptions.best_match(validator.iter_errors(table))
    if broken is not None:
        at = " / ".join(str(step) for step in broken.absolute_path) or "top level"
        raise CobotError(f"organ_table {path} is not understood at {at}: {broken.message}")
