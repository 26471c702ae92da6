"""The cohort as a reader of its files meets it: nothing but the files is looked at."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_cobot.data import datasets
from monai_cobot.data.checks import check_cases
from monai_cobot.data.phantom import make_cohort
from monai_cobot.errors import CobotError

ADOME = datasets.get("ADOME")
CASES = 4
SMALL = (48, 48, 16)

VOLUMES_ML = {
    "liver": (700, 2300),
    "kidney_right": (60, 320),
    "spleen": (60, 450),
    "pancreas": (20, 160),
    "aorta": (35, 160),
    "inferior_vena_cava": (35, 180),
    "adrenal_gland_right": (1.5, 15),
    "adrenal_gland_left": (1.5, 15),
    "gallbladder": (10, 90),
    "esophagus": (3, 40),
    "stomach": (150, 800),
    "duodenum": (20, 130),
    "kidney_left": (60, 320),
}
"""Wide ranges about what adults have."""

PORTAL_VENOUS_HU = {
    "liver": (80, 150),
    "kidney_right": (130, 230),
    "spleen": (90, 160),
    "pancreas": (70, 130),
    "aorta": (110, 190),
    "gallbladder": (-10, 50),
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(tmp_path_factory.mktemp("phantom") / "cohort", CASES, seed=0)


@pytest.fixture(scope="module")
def scans(cohort: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Image and label in RAS order, and the affine, of each case."""
    found = []
    for case in ADOME.find_cases(cohort):
        image, label = (nib.as_closest_canonical(nib.load(case[k])) for k in ("image", "label"))
        found.append((np.asarray(image.dataobj), np.asarray(label.dataobj), image.affine))
    return found


def _centre(label: np.ndarray, affine: np.ndarray, organ: str) -> np.ndarray:
    voxels = np.argwhere(label == ADOME.labels[organ])
    return affine[:3, :3] @ voxels.mean(axis=0) + affine[:3, 3]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.nii.gz")}


def test_layout_names_and_checks(cohort: Path) -> None:
    cases = ADOME.find_cases(cohort)
    assert [case["case"] for case in cases] == [f"phantom_{i:04d}" for i in range(1, CASES + 1)]
    assert (cohort / "images" / "phantom_0001_0000.nii.gz").is_file()
    check_cases(cases, ADOME)


def test_files_are_real_scans(cohort: Path) -> None:
    orders = set()
    for case in ADOME.find_cases(cohort):
        image, label = nib.load(case["image"]), nib.load(case["label"])
        assert (image.get_data_dtype(), label.get_data_dtype()) == (np.int16, np.uint8)
        x, y, z = image.header.get_zooms()
        assert 2 < x == y < z < 7
        assert image.header.get_xyzt_units()[0] == "mm"
        assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (1, 1)
        np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-3)
        orders.add(nib.aff2axcodes(image.affine))
    assert orders != {("R", "A", "S")}


def test_every_organ_in_every_case(scans: list) -> None:
    for _, label, affine in scans:
        millilitres = abs(np.linalg.det(affine)) / 1000
        for organ, number in ADOME.labels.items():
            mask = label == number
            low, high = VOLUMES_ML[organ]
            assert low < mask.sum() * millilitres < high, organ
            assert mask.any(axis=(0, 1)).sum() >= 4, organ


def test_organs_are_in_their_places(scans: list) -> None:
    for _, label, affine in scans:
        x, y, z = (
            {organ: _centre(label, affine, organ)[axis] for organ in ADOME.labels}
            for axis in range(3)
        )
        right = ("liver", "kidney_right", "gallbladder", "inferior_vena_cava", "duodenum")
        left = ("spleen", "kidney_left", "stomach", "esophagus")
        assert min(x[o] for o in right) > x["aorta"] > max(x[o] for o in left)
        assert x["adrenal_gland_right"] > x["aorta"] > x["adrenal_gland_left"]
        assert y["gallbladder"] > y["pancreas"] > y["kidney_left"]
        assert z["liver"] > z["gallbladder"]
        for side in ("right", "left"):
            assert z[f"adrenal_gland_{side}"] > z[f"kidney_{side}"]
        assert z["kidney_left"] > z["kidney_right"]
        assert z["esophagus"] > z["stomach"] > z["duodenum"]


def test_brightness_is_portal_venous(scans: list) -> None:
    for image, label, _ in scans:
        for organ, (low, high) in PORTAL_VENOUS_HU.items():
            assert low < np.median(image[label == ADOME.labels[organ]]) < high, organ
        assert image[0, 0].mean() < -950
        assert image[label == 1].std() > 6
        assert image.max() > 250


def test_patients_differ(scans: list) -> None:
    for number, (_, one, _) in enumerate(scans):
        for _, other, _ in scans[:number]:
            union = (one > 0) | (other > 0)
            assert (one == other)[union].mean() < 0.7
    assert len({tuple(np.abs(np.diag(affine))[:3]) for _, _, affine in scans}) == CASES


def test_case_depends_on_seed_and_number_only(tmp_path: Path) -> None:
    two = _files(make_cohort(tmp_path / "two", 2, seed=7, shape=SMALL))
    three = _files(make_cohort(tmp_path / "three", 3, seed=7, shape=SMALL))
    other = _files(make_cohort(tmp_path / "other", 1, seed=8, shape=SMALL))
    assert two == {name: three[name] for name in two}
    assert all(other[name] != three[name] for name in other)


def test_smallest_shape_still_has_every_organ(tmp_path: Path) -> None:
    for case in ADOME.find_cases(make_cohort(tmp_path / "small", 6, shape=SMALL)):
        label = np.asarray(nib.load(case["label"]).dataobj)
        assert set(np.unique(label)) == set(range(14))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cases": 0}, "cases is 0: ask for at least 1"),
        ({"cases": 1, "seed": -1}, "seed is -1: choose 0 or more"),
        ({"cases": 1, "shape": (32, 64, 16)}, r"shape \(32, 64, 16\) is too small .*48, 48, 16"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        make_cohort(tmp_path / "out", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CobotError, match="exists and is not empty: remove it or choose another"):
        make_cohort(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_of_a_cohort_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("monai_cobot.data.phantom.cohort.render", fail)
    with pytest.raises(OSError, match="disk full"):
        make_cohort(tmp_path / "out", 1)
    assert not list(tmp_path.iterdir())
