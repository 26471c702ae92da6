"""From a file to a volume in the voxel frame with intensities 0..255.

Reading, orientation and scaling are MONAI's own; what is added is the check of the values and
the conversion to the integers that SAM was trained on.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import (
    EnsureChannelFirstd,
    LoadImaged,
    MapTransform,
    Orientationd,
    ScaleIntensityRange,
    ScaleIntensityRangePercentiles,
    Transform,
)

from monai_cobot.errors import CobotError
from monai_cobot.transforms.compose import UserCompose

#: Percentiles of the volume that bound an MR image's intensities.
MR_PERCENTILES = (0.5, 99.5)
#: Modalities of pictures, whose bytes are taken as they are.
PICTURES = ("US", "RGB", "SAR", "SONAR")


@dataclass(frozen=True)
class Preprocessing:
    """How intensities become 0..255; written into manifests.

    Args:
        modality: ``CT``, a fixed window, or ``MR``, percentiles of each volume; or one of
            :data:`PICTURES`, whose bytes stay.
        window: the values that become 0 and 255: HU for CT, percentiles (0..100) for MR, 0 and 255
            for pictures.

    Raises:
        CobotError: unknown modality; a window that is not ascending, for MR not within 0..100, or
            for pictures not 0..255.
    """

    modality: str
    window: tuple[float, float] = MR_PERCENTILES

    def __post_init__(self) -> None:
        if self.modality not in ("CT", "MR", *PICTURES):
            raise CobotError(
                f"unknown modality {self.modality!r}: choose CT or MR, or of pictures one of "
                f"{', '.join(PICTURES)}"
            )
        if len(self.window) != 2 or not self.window[0] < self.window[1]:
            raise CobotError(
                f"window {self.window}: give two ascending numbers (HU for CT, percentiles for MR)"
            )
        if self.modality == "MR" and not 0 <= self.window[0] < self.window[1] <= 100:
            raise CobotError(f"MR window {self.window}: percentiles lie within 0 and 100")
        if self.modality in PICTURES and tuple(self.window) != (0, 255):
            raise CobotError(f"window {self.window} of pictures: their bytes stay, give (0, 255)")
        object.__setattr__(self, "window", (float(self.window[0]), float(self.window[1])))

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON, the inverse of :meth:`from_dict`."""
        return {"modality": self.modality, "window": list(self.window)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Read what :meth:`to_dict` wrote."""
        return cls(values["modality"], tuple(values["window"]))


class ScaleToBytes(Transform):
    """Scale a volume's intensities to 0..255, clipped and rounded, as uint8.

    Args:
        preprocessing: window or percentiles.
    """

    def __init__(self, preprocessing: Preprocessing) -> None:
        scale = ScaleIntensityRange
        if preprocessing.modality == "MR":
            scale = ScaleIntensityRangePercentiles
        self.scale = scale(*preprocessing.window, 0, 255, clip=True)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Scale an image (1, X, Y, Z) of any real dtype; metadata stay.

        Raises:
            CobotError: a value is NaN or infinite.
        """
        if not torch.isfinite(image).all():
            raise CobotError(
                f"{_name(image)} holds values that are not finite: replace NaN and infinity "
                "by numbers (-1024 HU for air in CT)"
            )
        return torch.round(self.scale(image)).to(torch.uint8)


class ScaleToBytesd(MapTransform):
    """Dictionary form of :class:`ScaleToBytes`.

    Args:
        keys: the images' keys.
        preprocessing: window or percentiles.
    """

    def __init__(self, keys: Hashable, preprocessing: Preprocessing) -> None:
        super().__init__(keys)
        self.transform = ScaleToBytes(preprocessing)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Scale the sample's images."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            sample[key] = self.transform(sample[key])
        return sample


class CheckVolumed(MapTransform):
    """Let only volumes of one channel pass; labels also become uint8.

    Args:
        keys: images and labels; absent keys are left out.
        label_keys: those of them that hold labels.
    """

    def __init__(self, keys: tuple[str, ...], label_keys: tuple[str, ...]) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.label_keys = label_keys

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Check the sample's volumes.

        Raises:
            CobotError: not (1, X, Y, Z), or a label that is not an integer from 0 to 255.
        """
        sample = dict(data)
        for key in self.key_iterator(sample):
            volume = sample[key]
            if volume.ndim != 4 or volume.shape[0] != 1:
                raise CobotError(
                    f"{_name(volume)} has shape {tuple(volume.shape)} with the channel first: "
                    "give a 3D volume with one channel, one file a phase or sequence"
                )
            if key in self.label_keys:
                sample[key] = _as_labels(volume)
        return sample


class MapLabelValuesd(MapTransform):
    """Renumber a label file's values as the item's ``label_values`` (value to label) say.

    Values that it does not name become background; without ``label_values`` the label stays.

    Args:
        keys: the labels' keys; absent keys are left out.
    """

    def __init__(self, keys: Hashable) -> None:
        super().__init__(keys, allow_missing_keys=True)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Renumber the sample's labels, uint8."""
        sample = dict(data)
        values = sample.get("label_values")
        if values is None:
            return sample
        table = torch.zeros(256, dtype=torch.uint8)
        for value, organ in values.items():
            if 0 <= int(value) < len(table):  # CheckVolumed lets no other value pass
                table[int(value)] = int(organ)
        for key in self.key_iterator(sample):
            label = sample[key]
            numbers = table[label.as_tensor().long()]
            sample[key] = MetaTensor(numbers, meta=label.meta)
        return sample


def volume_transforms(preprocessing: Preprocessing) -> UserCompose:
    """Read the files of a datalist item.

    Args:
        preprocessing: window or percentiles.

    Returns:
        A MONAI Compose on dictionaries. ``image``, a path, becomes a MetaTensor (1, X, Y, Z)
        uint8, 0..255; ``label``, where there is one, (1, X, Y, Z) uint8, renumbered where the item
        has ``label_values``; both voxel frame (RAS), never resampled. ``.affine`` is that of the
        RAS volume, ``.meta["original_affine"]`` that of the file (both to RAS millimetres).
    """
    keys = ("image", "label")
    with _other_readers_untold():
        load = LoadImaged(
            keys, reader="NibabelReader", dtype=np.float32, image_only=True, allow_missing_keys=True
        )
    return UserCompose(
        [
            load,
            EnsureChannelFirstd(keys, allow_missing_keys=True),
            CheckVolumed(keys, label_keys=("label",)),
            MapLabelValuesd("label"),
            Orientationd(keys, axcodes="RAS", labels=None, allow_missing_keys=True),
            ScaleToBytesd("image", preprocessing),
        ]
    )


@contextmanager
def _other_readers_untold() -> Iterator[None]:
    """MONAI sets up every reader whose package is there, and warns that NVIDIA's decoder is not."""
    logger = logging.getLogger("monai.data.nvimgcodec_pydicom_plugin")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader")
            yield
    finally:
        logger.setLevel(level)


def _as_labels(volume: torch.Tensor) -> torch.Tensor:
    labels = volume.to(torch.uint8)
    if not torch.equal(labels.to(volume.dtype), volume):
        raise CobotError(
            f"{_name(volume)} holds values that are no labels: labels are whole numbers from 0 "
            "(background) to 255"
        )
    return labels


def _name(volume: torch.Tensor) -> str:
    return str(volume.meta.get("filename_or_obj")) if isinstance(volume, MetaTensor) else "volume"
