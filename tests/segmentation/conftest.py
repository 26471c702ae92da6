"""Small scans, a bundle's adapter that needs no training, and their boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from monai_cobot.data import datasets
from monai_cobot.sam import build_adapted_sam, make_manifest, save_adapter
from monai_cobot.segmentation import BundleInference, Output, Summary, segment
from monai_cobot.transforms import Preprocessing
from tests.bundle.conftest import ADOME, infer
from tests.dicom.series import Scan

SHAPE = (12, 40, 48)  # slices, rows, columns
ORGANS = {"liver": (4, 6, 25, 30), "spleen": (30, 8, 44, 20), "aorta": (20, 24, 30, 33)}
SLICES = (2, 5, 9)


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training of ADOME would leave after no step, on the random SAM at 64 pixels."""
    spec = datasets.get("ADOME")
    model = build_adapted_sam("small", "random", 64)
    manifest = make_manifest(
        model,
        preprocessing=Preprocessing(spec.modality, spec.window).to_dict(),
        organs=dict(spec.labels),
    )
    path = tmp_path_factory.mktemp("adapter") / "adapter.safetensors"
    save_adapter(model, path, manifest)
    return path


def make_scan(seed: int = 0, **parts: Any) -> Scan:
    """Blocks of soft tissue in fat, oblique, values of -1000 to 300 HU in halves."""
    random = np.random.default_rng(seed)
    hu = np.full(SHAPE, -100.0)
    for x0, y0, x1, y1 in ORGANS.values():
        hu[:, y0:y1, x0:x1] = random.integers(0, 120)
    hu = np.clip(hu + random.normal(0, 40, SHAPE), -1000, 300)
    return Scan(np.round((hu + 1024) * 2).astype(np.int16), **parts)


def lps_affine(scan: Scan) -> NDArray[np.float64]:
    """(4, 4): column, row and slice of a scan to LPS millimetres, from its parts."""
    affine = np.eye(4)
    for axis, length in enumerate((scan.spacing[1], scan.spacing[0], scan.spacing[2])):
        affine[:3, axis] = scan.frame[:, axis] * length
    affine[:3, 3] = scan.origin
    return affine


def write_nifti(scan: Scan, path: Path, head_first: bool = False) -> Path:
    """The scan as NIfTI, its array as DICOM's or with the slices counted from the head down."""
    values = (scan.stored * scan.slope + scan.intercept).transpose(2, 1, 0)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps_affine(scan)
    if head_first:
        values = values[:, :, ::-1]
        affine[:3, 3] += affine[:3, 2] * (SHAPE[0] - 1)
        affine[:3, 2] *= -1
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.astype(np.float32), affine), path)
    return path


def write_boxes(path: Path, *cases: str, head_first: bool = False, organ: str = "") -> Path:
    """Boxes of three organs on three slices, for arrays of one of the two orders."""
    boxes = [
        {"organ": organ or name, "slice": SHAPE[0] - 1 - k if head_first else k, "box": list(box)}
        for k in SLICES
        for name, box in ORGANS.items()
    ]
    document = {"schema": "monai_cobot/prompts/1", "frame": "source", "units": "voxel edges"}
    document["cases"] = {case: {"boxes": boxes} for case in cases}
    path.write_text(json.dumps(document))
    return path


def run(source: Path, output: Path, adapter: Path | None, **settings: Any) -> Summary:
    """`segment` with the bundle in the repository."""
    folder = settings.pop("bundle", ADOME)
    flags = {name: settings.pop(name, False) for name in ("overwrite", "skip_existing")}
    bundle = BundleInference(folder, adapter)
    return segment(source, Output.of(output, **flags), bundle, **settings)


def labels_of(folder: Path, case: str) -> NDArray[Any]:
    return np.asarray(nib.load(folder / f"{case}_seg.nii.gz").dataobj)


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """A folder of five NIfTI files, with boxes for all beside it."""
    for seed in range(5):
        write_nifti(make_scan(seed), tmp_path / "images" / f"case{seed}.nii.gz")
    write_boxes(tmp_path / "boxes.json", *(f"case{seed}" for seed in range(5)))
    return tmp_path / "images"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def broken_at(patch: pytest.MonkeyPatch, case: str, error: BaseException) -> None:
    """Lets a case's inference raise."""
    ordinary = BundleInference.segment

    def broken(self: BundleInference, item: dict[str, Any], *others: Any) -> None:
        if item["case"] == case:
            raise error
        ordinary(self, item, *others)

    patch.setattr(BundleInference, "segment", broken)


__all__ = ["infer"]
