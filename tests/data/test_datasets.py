from typing import Any

import pytest

from monai_cobot.data import datasets
from monai_cobot.data.datasets import DatasetSpec, Organ
from monai_cobot.data.spec import target_instances
from monai_cobot.errors import CobotError

# Order and spelling of the paper's dataset as FLARE22 numbers it.
FLARE22 = [
    "liver",
    "kidney_right",
    "spleen",
    "pancreas",
    "aorta",
    "inferior_vena_cava",
    "adrenal_gland_right",
    "adrenal_gland_left",
    "gallbladder",
    "esophagus",
    "stomach",
    "duodenum",
    "kidney_left",
]


def test_adome_has_the_organs_of_flare22_in_order() -> None:
    assert datasets.get("ADOME").labels == {name: i + 1 for i, name in enumerate(FLARE22)}


def test_splen_has_one_organ() -> None:
    assert datasets.get("SPLEN").labels == {"spleen": 1}


def test_every_dataset_is_complete() -> None:
    assert {"ADOME", "SPLEN"} <= set(datasets.names())
    for code in datasets.names():
        spec = datasets.get(code)
        assert spec.code == code
        assert spec.window[0] < spec.window[1]
        assert all((o.surface_tolerance_mm > 0) == (spec.dimensions == 3) for o in spec.organs)


def test_dimensions_follow_the_modality() -> None:
    dimensions = {code: datasets.get(code).dimensions for code in datasets.names()}
    volumes = {"ADOME", "SPLEN", "MOMO", "SEGRAP"}
    assert {code for code, number in dimensions.items() if number == 3} <= volumes
    images = {"BRAST", "COCO", "TRCAN", "TRCAN-MATERIAL", "NWPU", "SSDD", "SONAR"}
    assert {code for code, number in dimensions.items() if number == 2} == images
    counts = {code: len(datasets.get(code).organs) for code in images}
    assert counts == {
        "BRAST": 1,
        "COCO": 80,
        "TRCAN": 22,
        "TRCAN-MATERIAL": 16,
        "NWPU": 10,
        "SSDD": 1,
        "SONAR": 11,
    }


def test_an_unknown_modality() -> None:
    spec = datasets.get("SPLEN")
    with pytest.raises(
        CobotError, match="X: unknown modality 'PET': choose one of CT, MR, US, RGB"
    ):
        DatasetSpec("X", "x", "PET", (0.0, 1.0), spec.organs, spec.reader)


def test_volumes_need_a_tolerance() -> None:
    reader = datasets.get("SPLEN").reader
    with pytest.raises(CobotError, match="X: a needs a surface_tolerance_mm above 0, got nan"):
        DatasetSpec("X", "x", "CT", (0.0, 1.0), (Organ(1, "a"),), reader)


def test_targets_are_no_crowds_and_have_masks() -> None:
    masks: list[dict[str, Any]] = [
        {"segmentation": [[]]},
        {"mask_files": ["a"]},
        {"index_mask": "a"},
    ]
    instances = [*masks, {"box": [0, 0, 1, 1]}, {"segmentation": [[]], "crowd": True}]
    assert target_instances({"case": "a", "instances": instances}) == masks
    assert target_instances({"case": "a", "label": "a.nii"}) == []


def test_unknown_dataset_lists_the_known() -> None:
    with pytest.raises(CobotError, match=r"unknown dataset 'ADOMEN': choose one of .*ADOME, SPLEN"):
        datasets.get("ADOMEN")


def test_a_code_is_taken_once() -> None:
    with pytest.raises(CobotError, match="'ADOME' is registered already: choose another"):
        datasets.register(datasets.get("ADOME"))


@pytest.mark.parametrize(
    ("organs", "message"),
    [
        ((), r"organ labels \[\]"),
        ((Organ(0, "air", 1.0),), r"organ labels \[0\] must be 1 or more"),
        ((Organ(2, "a", 1.0), Organ(1, "b", 1.0)), "ascending"),
        ((Organ(1, "a", 1.0), Organ(2, "a", 1.0)), "names must be unique"),
    ],
)
def test_an_organ_table_that_contradicts_itself(organs: tuple[Organ, ...], message: str) -> None:
    reader = datasets.get("SPLEN").reader
    with pytest.raises(CobotError, match=message):
        DatasetSpec("X", "x", "CT", (0.0, 1.0), organs, reader)
