from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_cobot.data import datasets
from monai_cobot.data.checks import LISTED, check_cases
from monai_cobot.errors import CobotError
from tests.data.nifti import AFFINE, write, write_case

ADOME = datasets.get("ADOME")
Breaker = Callable[[dict[str, str]], object]


def _array(path: str) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def _truncate(case: dict[str, str]) -> None:
    noise = np.random.default_rng(0).integers(0, 9999, (40, 40, 8)).astype(np.int16)
    path = write(Path(case["image"]), noise)
    path.write_bytes(path.read_bytes()[:9000])


def _nan(case: dict[str, str]) -> None:
    image = _array(case["image"]).astype(np.float32)
    image[1, 2, 3] = np.nan
    write(Path(case["image"]), image)


def _relabel(value: float) -> Breaker:
    def breaker(case: dict[str, str]) -> None:
        label = _array(case["label"]).astype(np.float32)
        label[0, 0, 0] = value
        write(Path(case["label"]), label)

    return breaker


def _shifted(millimetres: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[2, 3] += millimetres
    return affine


BROKEN: dict[str, tuple[Breaker, str]] = {
    "missing": (
        lambda case: Path(case["image"]).unlink(),
        r"a_0000\.nii\.gz does not exist: check the path",
    ),
    "text": (
        lambda case: Path(case["label"]).write_text("no NIfTI"),
        r"labels/a\.nii\.gz is not readable as NIfTI",
    ),
    "truncated": (_truncate, r"a_0000\.nii\.gz is not readable as NIfTI, it may be truncated"),
    "four axes": (
        lambda case: write(Path(case["image"]), np.zeros((6, 5, 4, 2), np.int16)),
        r"has shape \(6, 5, 4, 2\), not three axes: export one 3D volume",
    ),
    "not finite": (_nan, r"a_0000\.nii\.gz has NaN or infinite voxels: replace them"),
    "other shape": (
        lambda case: write(Path(case["label"]), np.ones((6, 5, 3), np.uint8)),
        r"a\.nii\.gz has shape \(6, 5, 3\), its image \(6, 5, 4\): export",
    ),
    "other affine": (
        lambda case: write(Path(case["label"]), _array(case["label"]), _shifted(1.0)),
        r"labels/a\.nii\.gz has another affine than its image .*a_0000\.nii\.gz "
        r"\(shifted by 0, 0, 0\.2 voxels, 1 mm apart at a corner\): resample the label",
    ),
    "flipped": (
        lambda case: write(
            Path(case["label"]), _array(case["label"]), np.diag([-1.0, 1, 1, 1]) @ AFFINE
        ),
        r"has another affine .*axes RPS, the image's LPS, .*resample",
    ),
    "outside": (_relabel(14), r"has labels \[14\] outside the organ table .*: renumber or remove"),
    "negative": (_relabel(-1), r"has labels \[-1\] outside the organ table"),
    "fractions": (_relabel(0.5), "has values that are no whole numbers: export it as integers"),
    "empty": (
        lambda case: write(Path(case["label"]), np.zeros((6, 5, 4), np.uint8)),
        r"labels/a\.nii\.gz is an empty label, without any organ: remove the case",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_case(tmp_path: Path, what: str) -> None:
    case = write_case(tmp_path, "a")
    breaker, message = BROKEN[what]
    breaker(case)
    with pytest.raises(CobotError, match=rf"1 unusable case\(s\):\n  a: .*{message}"):
        check_cases([case], ADOME)


def test_sound_cases_pass(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a", labels=(1, 13))
    without_label = {key: case[key] for key in ("case", "patient", "image")}
    check_cases([case, without_label], ADOME, progress=True)


def test_rounding_of_a_header_passes(tmp_path: Path) -> None:
    case = write_case(tmp_path, "a")
    write(Path(case["label"]), _array(case["label"]), _shifted(1e-3))
    check_cases([case], ADOME)


def test_all_broken_cases_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    cases = [write_case(tmp_path, f"c{i:02d}", labels=(99,)) for i in range(LISTED + 2)]
    with pytest.raises(CobotError, match=r"12 unusable(?s:.)*c09: .*\n  and 2 more$"):
        check_cases(cases, ADOME)


def test_real_subsets_pass(real_data: Path) -> None:
    for code in ("ADOME", "SPLEN"):
        spec = datasets.get(code)
        check_cases(spec.find_cases(real_data / code), spec)
