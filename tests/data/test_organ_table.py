"""The organ table of a dataset of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_cobot.data import datasets
from monai_cobot.data.organ_table import TOLERANCE_MM, read_organ_table
from monai_cobot.data.spec import Organ
from monai_cobot.errors import CobotError
from tests.data.nifti import write_case

TABLE = {"modality": "CT", "window": [-160, 240], "organs": {"tumour": 2, "liver": 1}}


def written(folder: Path, content: Any) -> Path:
    path = folder / "my_organs.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_shortest_table(tmp_path: Path) -> None:
    spec = read_organ_table(written(tmp_path, {"modality": "MR", "organs": {"uterus": 4}}))
    assert (spec.code, spec.title, spec.modality) == ("MY_ORGANS", "my_organs", "MR")
    assert spec.window == (0.5, 99.5)
    assert spec.organs == (Organ(4, "uterus", TOLERANCE_MM),)


def test_everything_said(tmp_path: Path) -> None:
    organs = {"tumour": {"label": 2, "surface_tolerance_mm": 1.5}, "liver": 1}
    more = {"code": "LITS", "title": "Liver tumours", "organs": organs}
    spec = read_organ_table(written(tmp_path, {**TABLE, **more}))
    assert (spec.code, spec.title, spec.window) == ("LITS", "Liver tumours", (-160.0, 240.0))
    assert spec.organs == (Organ(1, "liver", TOLERANCE_MM), Organ(2, "tumour", 1.5))


def test_the_default_tolerance_is_the_median_that_it_says() -> None:
    given = [organ.surface_tolerance_mm for organ in datasets.get("ADOME").organs]
    assert np.median(given) == TOLERANCE_MM


def test_pictures_have_no_millimetres(tmp_path: Path) -> None:
    spec = read_organ_table(written(tmp_path, {"modality": "US", "organs": {"thyroid": 1}}))
    assert (spec.dimensions, spec.window) == (2, (0.0, 255.0))
    assert np.isnan(spec.organs[0].surface_tolerance_mm)


def test_folders_in_a_known_layout_are_read_too(tmp_path: Path) -> None:
    spec = read_organ_table(written(tmp_path, TABLE))
    case = write_case(tmp_path, "a")
    assert spec.find_cases(tmp_path) == [case]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"organs": {"liver": 1}}, "at top level: 'modality' is a required property"),
        ({**TABLE, "organs": {}}, "at organs: "),
        ({**TABLE, "organs": {"liver": 0}}, "at organs / liver: "),
        ({**TABLE, "organs": {"liver": 256}}, "at organs / liver: "),
        ({**TABLE, "organs": {"liver": "1"}}, "at organs / liver: "),
        ({**TABLE, "organs": {"liver": {"label": 1, "tolerance": 2}}}, "at organs / liver: "),
        ({**TABLE, "modality": "PET"}, "at modality: 'PET' is not one of"),
        ({**TABLE, "window": [1, 2, 3]}, "at window: "),
        ({**TABLE, "window": [240, -160]}, r"window \[240, -160\] must be ascending"),
        ({**TABLE, "windows": [1, 2]}, "'windows' was unexpected"),
        ({**TABLE, "organs": {"liver": 1, "tumour": 1}}, "liver and tumour have the same label 1"),
        ('{"modality": "CT", "organs": {"a": 1, "a": 2}}', "'a' is there twice"),
        ("[1]", "must hold a JSON object"),
        ("modality: CT", "is not readable as JSON"),
    ],
)
def test_what_is_refused_is_named(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(CobotError, match=rf"my_organs\.json.*{message}"):
        read_organ_table(written(tmp_path, content))


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"none\.json does not exist"):
        read_organ_table(tmp_path / "none.json")
