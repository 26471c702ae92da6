from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from monai_cobot.data import datasets
from monai_cobot.data.checks import check_cases
from monai_cobot.data.splits import target_slices
from monai_cobot.transforms import Preprocessing, volume_transforms
from tests.data.nifti import write_case

MOMO = datasets.get("MOMO")


def test_the_decathlons_label_table_is_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries = [write_case(tmp_path, name, ("imagesTr", "labelsTr"), "") for name in ("a", "b")]
    content = {"labels": {"0": "background", "1": "left atrium"}, "training": entries}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with caplog.at_level(logging.WARNING):
        cases = MOMO.find_cases(tmp_path)
    assert [case["case"] for case in cases] == ["a", "b"]
    assert caplog.text == ""  # no other name for our label
    assert MOMO.labels == {"left atrium": 1}


def test_real_files(real_data: Path) -> None:
    cases = MOMO.find_cases(real_data / "MOMO")
    assert [case["case"] for case in cases] == ["la_003", "la_009", "la_016", "la_021", "la_029"]
    check_cases(cases, MOMO)
    # Counted with nibabel alone.
    assert [len(target_slices(case)) for case in cases] == [66, 79, 62, 71, 60]
    image = volume_transforms(Preprocessing(MOMO.modality, MOMO.window))(cases[2])["image"]
    low, high = ((image == value).float().mean().item() for value in (0, 255))
    # Half a percent lies beyond each percentile, and rounding adds its neighbours.
    assert low >= 0.005
    assert 0.005 <= high < 0.01
    assert image.dtype.is_signed is False
    assert np.unique(image.numpy()).size > 200
