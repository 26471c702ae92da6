"""Where the organs of a label are, how large they are, and where the body is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from monai_cobot.data.volume_checks import Volume
from monai_cobot.doctor.records import OrganRecord, Position

BODY_HU = -300.0
"""Between air and fat."""


def measure_organs(
    label: Volume, names: Mapping[int, str], values: Mapping[int, int] | None = None
) -> dict[str, OrganRecord]:
    """Volume and centre of every organ that a label holds, by name, in the order of the table.

    Args:
        label: (X, Y, Z) with a usable affine; labels outside the table are passed over.
        names: name of each label.
        values: value in the file to label, where they differ.
    """
    table = dict(values) if values is not None else {number: number for number in names}
    where = np.nonzero(label.array)
    found = label.array[where].astype(np.int64)
    points = np.stack(where)
    millilitres = abs(np.linalg.det(label.affine[:3, :3])) / 1000
    organs = {}
    for number, name in names.items():
        inside = np.isin(found, [value for value, organ in table.items() if organ == number])
        if inside.any():
            organs[name] = _organ(points[:, inside], label, millilitres)
    return organs


def _organ(points: NDArray[np.int64], label: Volume, millilitres: float) -> OrganRecord:
    last = np.reshape(label.array.shape, (3, 1)) - 1
    return OrganRecord(
        voxels=points.shape[1],
        millilitres=points.shape[1] * millilitres,
        position=_millimetres(points.mean(axis=1), label.affine),
        cut=bool(((points == 0) | (points == last)).any()),
    )


def body_centre(image: Volume, modality: str) -> Position | None:
    """Centre (RAS mm) of what is brighter than air; in MR than the mean. None of an empty scan."""
    finite = np.isfinite(image.array)
    if not finite.any():
        return None
    above = BODY_HU if modality == "CT" else float(image.array[finite].mean())
    body = finite & (image.array > above)
    total = int(body.sum())
    if not total:
        return None
    centre = []
    for axis, size in enumerate(body.shape):
        others = tuple(other for other in range(3) if other != axis)
        centre.append(float(body.sum(axis=others) @ np.arange(size)) / total)
    return _millimetres(np.array(centre), image.affine)


def _millimetres(voxel: NDArray[np.float64], affine: NDArray[np.float64]) -> Position:
    position: Position = affine[:3, :3] @ voxel + affine[:3, 3]
    return position
