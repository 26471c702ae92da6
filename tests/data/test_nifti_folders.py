import json
import logging
import shutil
from pathlib import Path

import pytest

from monai_cobot.data import datasets
from monai_cobot.errors import CobotError
from tests.data.nifti import write_case

ADOME, SPLEN = datasets.get("ADOME"), datasets.get("SPLEN")
NNUNET = ("imagesTr", "labelsTr")


def _describe(root: Path, **content: object) -> None:
    (root / "dataset.json").write_text(json.dumps(content))


def _listed(name: str, **more: str) -> dict[str, str]:
    return {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz", **more}


def test_flare_folders(tmp_path: Path) -> None:
    expected = [write_case(tmp_path, name) for name in ("FLARE22_Tr_0001", "FLARE22_Tr_0002")]
    assert ADOME.find_cases(tmp_path) == expected


def test_nnunet_folders_without_description(tmp_path: Path) -> None:
    expected = [write_case(tmp_path, "a", NNUNET), write_case(tmp_path, "b", NNUNET, "")]
    assert ADOME.find_cases(tmp_path) == expected


def test_nnunet_1_lists_images_without_their_channel(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a", NNUNET)
    _describe(tmp_path, labels={"0": "background", "1": "liver"}, training=[_listed("a")])
    (found,) = ADOME.find_cases(tmp_path)
    assert found["image"] == case["image"]
    assert (found["case"], found["patient"]) == ("a", "a")


def test_nnunet_2_has_no_list_and_turns_the_labels_round(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a", NNUNET)
    _describe(tmp_path, labels={"background": 0, "liver": 1}, numTraining=1, file_ending=".nii.gz")
    assert ADOME.find_cases(tmp_path) == [case]


def test_patients_of_the_description(tmp_path: Path) -> None:
    for name in "ab":
        write_case(tmp_path, name, NNUNET, "")
    training = [_listed("b", patient="p"), _listed("a", patient="p")]
    _describe(tmp_path, training=training)
    assert [(c["case"], c["patient"]) for c in SPLEN.find_cases(tmp_path)] == [
        ("a", "p"),
        ("b", "p"),
    ]
    assert [c["patient"] for c in SPLEN.find_images(tmp_path)] == ["p", "p"]


def test_hidden_files_of_macos_are_no_cases(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a", NNUNET, "")
    (tmp_path / "imagesTr" / "._a.nii.gz").write_bytes(b"\0")
    assert SPLEN.find_cases(tmp_path) == [case]


def test_real_subsets(real_data: Path) -> None:
    adome = ADOME.find_cases(real_data / "ADOME")
    assert [(case["case"], case["patient"]) for case in adome] == [
        ("ts_ct3mm", "ct3mm"),
        ("ts_ct3mm_sm", "ct3mm"),
        ("ts_ct512", "ct512"),
    ]
    assert [case["case"] for case in SPLEN.find_cases(real_data / "SPLEN")] == [
        "ts_ct3mm",
        "ts_ct512",
    ]
    assert all(Path(case[key]).is_file() for case in adome for key in ("image", "label"))


def test_images_alone(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a")
    alone = {key: case[key] for key in ("case", "patient", "image")}
    assert ADOME.find_images(tmp_path) == [case]
    assert ADOME.find_images(tmp_path / "images") == [case]
    shutil.rmtree(tmp_path / "labels")
    assert ADOME.find_images(tmp_path / "images") == [alone]
    flat = tmp_path / "flat"
    shutil.copytree(tmp_path / "images", flat)
    assert ADOME.find_images(flat) == [{**alone, "image": str(flat / "a_0000.nii.gz")}]


def test_missing_folder(tmp_path: Path) -> None:
    for find in (ADOME.find_cases, ADOME.find_images):
        with pytest.raises(CobotError, match=r"nowhere is no folder: give dataset_dir"):
            find(tmp_path / "nowhere")


def test_unknown_layout_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(
        CobotError, match=r"expected images/<case>.*labels/<case>.*or imagesTr/.*labelsTr/"
    ):
        ADOME.find_cases(tmp_path)
    with pytest.raises(CobotError, match=r"no image in .*expected \.nii\.gz or \.nii files"):
        ADOME.find_images(tmp_path)


def test_no_case(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    with pytest.raises(CobotError, match=r"no case in .*images: expected"):
        ADOME.find_cases(tmp_path)


@pytest.mark.parametrize(("lost", "kept"), [("label", "image"), ("image", "label")])
def test_image_or_label_missing(tmp_path: Path, lost: str, kept: str) -> None:
    write_case(tmp_path, "a")
    Path(write_case(tmp_path, "b")[lost]).unlink()
    with pytest.raises(
        CobotError, match=rf"case b has its {kept} but no {lost} in .*{lost}s: add the {lost}"
    ):
        ADOME.find_cases(tmp_path)


def test_one_case_in_two_files(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a")
    shutil.copy(case["image"], tmp_path / "images" / "a.nii.gz")
    with pytest.raises(CobotError, match=r"case a is there twice, as a\.nii\.gz and a_0000\.nii"):
        ADOME.find_cases(tmp_path)


def test_labels_numbered_otherwise(tmp_path: Path) -> None:
    write_case(tmp_path, "a", NNUNET)
    _describe(tmp_path, labels={"1": "spleen", "2": "right kidney"})
    with pytest.raises(
        CobotError, match=r"dataset\.json numbers 'spleen' as label 1, here it is 3: renumber"
    ):
        ADOME.find_cases(tmp_path)


def test_other_spellings_are_understood(tmp_path: Path) -> None:
    write_case(tmp_path, "a", NNUNET)
    _describe(tmp_path, labels={"2": "Right Kidney", "6": "IVC", "13": "LK", "10": "oesophagus"})
    assert len(ADOME.find_cases(tmp_path)) == 1


def test_names_unknown_here_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_case(tmp_path, "a", NNUNET)
    _describe(tmp_path, labels={"2": "kidney"})
    with caplog.at_level(logging.WARNING):
        ADOME.find_cases(tmp_path)
    assert "calls label 2 'kidney'; here it is kidney_right" in caplog.text
