"""Faults planted into a folder of FLARE22's layout, one by one. Written without the package."""

from __future__ import annotations

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

CASE = "phantom_0003"
OTHER = "phantom_0005"
Plant = Callable[[Path], Path]


def image(root: Path, case: str = CASE) -> Path:
    return root / "images" / f"{case}_0000.nii.gz"


def label(root: Path, case: str = CASE) -> Path:
    return root / "labels" / f"{case}.nii.gz"


def change(
    path: Path,
    array: Callable[[NDArray], NDArray] | None = None,
    affine: Callable[[NDArray], NDArray] | None = None,
) -> Path:
    """Write a file anew with other voxels or another affine."""
    file = nib.load(path)
    voxels = np.asarray(file.dataobj)
    voxels = voxels if array is None else array(voxels.copy())
    matrix = file.affine if affine is None else affine(file.affine.copy())
    nib.save(nib.Nifti1Image(voxels, matrix), path)
    return path


def voxels(which: Callable[..., Path], array: Callable[[NDArray], NDArray]) -> Plant:
    return lambda root: change(which(root), array)


def header(which: Callable[..., Path], edit: Callable[[nib.Nifti1Image], None]) -> Plant:
    def plant(root: Path) -> Path:
        file = nib.load(which(root))
        new = nib.Nifti1Image(np.asarray(file.dataobj), file.affine, file.header)
        edit(new)
        nib.save(new, which(root))
        return which(root)

    return plant


def truncated(which: Callable[..., Path]) -> Plant:
    def plant(root: Path) -> Path:
        data = which(root).read_bytes()
        which(root).write_bytes(data[: len(data) // 2])
        return which(root)

    return plant


def both_affines(*diagonal: float) -> Plant:
    """Image and label with an affine that mirrors the world: both agree, anatomy does not."""

    def plant(root: Path) -> Path:
        for path in (image(root), label(root)):
            change(path, affine=lambda affine: np.diag([*diagonal, 1.0]) @ affine)
        return label(root)

    return plant


def axes_exchanged(root: Path) -> Path:
    """The header of another order of axes, as after a transposed array."""
    for path in (image(root), label(root)):
        change(path, affine=lambda affine: np.eye(4)[[2, 1, 0, 3]] @ affine)
    return label(root)


def shifted(axis: int) -> Plant:
    """The label one voxel off along an axis of the array."""

    def shift(affine: NDArray) -> NDArray:
        affine[:3, 3] += affine[:3, axis]
        return affine

    return lambda root: change(label(root), affine=shift)


def swapped(a: int, b: int) -> Plant:
    def swap(array: NDArray) -> NDArray:
        first, second = array == a, array == b
        array[first], array[second] = b, a
        return array

    return lambda root: change(label(root), swap)


def paint(value: float, dtype: type = np.float32) -> Callable[[NDArray], NDArray]:
    """One voxel in a corner of another value."""

    def painted(array: NDArray) -> NDArray:
        array = array.astype(dtype)
        array[0, 0, 0] = value
        return array

    return painted


def keep_part(number: int, count: int) -> Callable[[NDArray], NDArray]:
    """Of one organ a few voxels in the middle of it, the rest background."""

    def part(array: NDArray) -> NDArray:
        where = np.argwhere(array == number)
        array[array == number] = 0
        middle = where[len(where) // 2 :][:count]
        array[tuple(middle.T)] = number
        return array

    return part


def singular(affine: NDArray) -> NDArray:
    affine[:3, 2] = affine[:3, 1]
    return affine


def metres(root: Path) -> Path:
    for path in (image(root), label(root)):
        change(path, affine=lambda affine: np.diag([1e-3, 1e-3, 1e-3, 1]) @ affine)
    return image(root)


def coarse(root: Path) -> Path:
    for path in (image(root), label(root)):
        change(path, affine=lambda affine: affine @ np.diag([1, 1, 30.0, 1]))
    return image(root)


def damaged(offset: int, value: bytes) -> Plant:
    """Bytes of the image's header replaced; no sform, so that the voxel sizes count."""

    def plant(root: Path) -> Path:
        data = bytearray(gzip.decompress(image(root).read_bytes()))
        data[254:256] = b"\0\0"  # sform_code
        data[offset : offset + len(value)] = value
        image(root).write_bytes(gzip.compress(bytes(data)))
        return image(root)

    return plant


def copy_under_another_name(root: Path) -> Path:
    """Stored in another order of axes, as float, with another compression: not one byte alike."""
    for path, copy in ((image(root), image(root, "zz")), (label(root), label(root, "zz"))):
        file = nib.load(path)
        other = "RAS" if nib.aff2axcodes(file.affine) != tuple("RAS") else "LPS"
        turned = file.as_reoriented(
            nib.orientations.ornt_transform(
                nib.io_orientation(file.affine), nib.orientations.axcodes2ornt(tuple(other))
            )
        )
        plain = copy.with_name(copy.name.removesuffix(".gz"))
        dtype = np.float32 if path == image(root) else np.uint8
        nib.save(nib.Nifti1Image(np.asarray(turned.dataobj).astype(dtype), turned.affine), plain)
        copy.write_bytes(gzip.compress(plain.read_bytes(), 1))
        plain.unlink()
    return image(root, "zz")


def label_of_another(root: Path) -> Path:
    """Another patient's label, put onto the grid of this image."""
    there, here = nib.load(label(root, OTHER)), nib.load(image(root))
    nib.save(nib.Nifti1Image(np.asarray(there.dataobj), here.affine), label(root))
    return max(label(root), label(root, OTHER))


def same_name_twice(root: Path) -> Path:
    shutil.copy(image(root), root / "images" / f"{CASE}.nii.gz")
    return image(root)  # the second of the two by name


def removed(which: Callable[..., Path], left: Callable[..., Path]) -> Plant:
    def plant(root: Path) -> Path:
        which(root).unlink()
        return left(root)

    return plant


def two_affines(file: nib.Nifti1Image) -> None:
    file.set_sform(file.affine, code=1)
    moved = file.affine.copy()
    moved[:3, 3] += 7
    file.set_qform(moved, code=1)


def mirrored_in_its_array(root: Path) -> Path:
    """Only the label's array turned upside down: much of it lies in air then."""
    return change(label(root), lambda array: np.roll(array[:, ::-1], 20, axis=1))


def _colours(array: NDArray) -> NDArray:
    return np.zeros(array.shape, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))


ERRORS: dict[str, tuple[str, Plant]] = {
    "truncated image": ("image_unreadable", truncated(image)),
    "truncated label": ("label_unreadable", truncated(label)),
    "no NIfTI": ("image_unreadable", lambda root: _text(image(root))),
    "NaN": ("image_not_finite", voxels(image, paint(np.nan))),
    "infinite": ("image_not_finite", voxels(image, paint(np.inf))),
    "constant": ("image_constant", voxels(image, lambda a: np.full_like(a, -1000))),
    "stored without the intercept": ("not_hounsfield", voxels(image, lambda a: a + 1024)),
    "four axes": ("image_axes", voxels(image, lambda a: np.stack([a, a], axis=3))),
    "other shape": ("label_shape", voxels(label, lambda a: a[:, :, :-1])),
    "a voxel off along x": ("label_affine", shifted(0)),
    "a voxel off along z": ("label_affine", shifted(2)),
    "label's affine mirrored": (
        "label_affine",
        lambda root: change(label(root), affine=lambda a: np.diag([-1.0, 1, 1, 1]) @ a),
    ),
    "singular affine": ("image_affine", lambda root: change(image(root), affine=singular)),
    "metres": ("spacing_implausible", metres),
    "slices of 270 mm": ("spacing_implausible", coarse),
    "no voxel size along z": ("spacing_implausible", damaged(88, struct.pack("<f", 0.0))),
    "negative voxel size": ("spacing_implausible", damaged(88, struct.pack("<f", -5.0))),
    "unknown type of numbers": ("image_unreadable", damaged(70, struct.pack("<h", 99))),
    "colours": ("image_unreadable", voxels(image, _colours)),
    "mirrored left-right": ("orientation_flipped", both_affines(-1, 1, 1)),
    "LPS taken for RAS": ("orientation_flipped", both_affines(-1, -1, 1)),
    "upside down": ("orientation_flipped", both_affines(1, 1, -1)),
    "axes exchanged": ("orientation_flipped", axes_exchanged),
    "kidneys exchanged": ("labels_swapped", swapped(2, 13)),
    "liver and spleen exchanged": ("labels_swapped", swapped(1, 3)),
    "aorta and vena cava exchanged": ("labels_swapped", swapped(5, 6)),
    "adrenal glands exchanged": ("labels_swapped", swapped(7, 8)),
    "unknown label": ("label_outside_table", voxels(label, paint(14))),
    "fractions": ("label_not_whole", voxels(label, paint(0.5))),
    "empty label": ("label_empty", voxels(label, np.zeros_like)),
    "image without label": ("missing_label", removed(label, image)),
    "label without image": ("missing_image", removed(image, label)),
    "name twice": ("case_twice", same_name_twice),
    "copy under another name": ("duplicate_image", copy_under_another_name),
}

WARNINGS: dict[str, tuple[str, Plant]] = {
    "windowed": ("intensity_range", voxels(image, lambda a: a.clip(-160, 240))),
    "wrong slope": ("intensity_range", voxels(image, lambda a: a.astype(np.float32) * 100)),
    "a few voxels of the liver": ("organ_tiny", voxels(label, keep_part(1, 3))),
    "a small piece of the liver": ("organ_tiny", voxels(label, keep_part(1, 40))),
    "label of another patient": ("duplicate_label", label_of_another),
    "label in air": ("label_in_air", mirrored_in_its_array),
    "sform and qform": ("header_affines", header(image, two_affines)),
    "units": ("header_units", header(image, lambda file: file.header.set_xyzt_units("micron"))),
    "sheared": (
        "affine_sheared",
        lambda root: change(image(root), affine=lambda a: a @ _shear()),
    ),
}


def _text(path: Path) -> Path:
    path.write_text("no NIfTI")
    return path


def _shear() -> NDArray:
    matrix = np.eye(4)
    matrix[0, 1] = 0.1
    return matrix
