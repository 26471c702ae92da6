"""Intensities of a volume against its modality."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monai_cobot.data.volume_checks import Volume
from monai_cobot.doctor.findings import Finding

LOWEST_HU, HIGHEST_HU = -4096.0, 32767.0
"""Paddings of scanners (-1024, -2000, -3024) and metal lie within."""

AIR_HU = -500.0
"""Lungs, bowel gas and the air around the body lie below; every CT of a trunk has some."""


def intensity_findings(image: Volume, modality: str, case: str) -> Iterator[Finding]:
    """What does not fit a CT in HU, or an MR; voxels that are not finite are left out."""
    finite = np.isfinite(image.array)
    values = image.array if finite.all() else image.array[finite]
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    if low == high:
        what, remedy = f"is {low:g} everywhere", "export the image again"
        yield Finding.of("image_constant", what, remedy, image.path, case)
        return
    span = f"{low:g} to {high:g}"
    if modality != "CT":
        return
    if low >= 0:
        what = f"has values of {span}, none below 0: no Hounsfield units"
        remedy = "apply slope and intercept of the scanner, or take the file before it was windowed"
        yield Finding.of("not_hounsfield", what, remedy, image.path, case)
    elif low > AIR_HU:
        what = f"has values of {span}, none of air (below {AIR_HU:g} HU)"
        remedy = "look at it: windowed already, or not in Hounsfield units?"
        yield Finding.of("intensity_range", what, remedy, image.path, case)
    elif low < LOWEST_HU or high > HIGHEST_HU:
        what = f"has values of {span}, beyond what scanners write"
        remedy = "look at it: a wrong slope, or a damaged file?"
        yield Finding.of("intensity_range", what, remedy, image.path, case)
