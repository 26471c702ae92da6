"""Volumes through SAM slice by slice, pictures at once, and a label map back to a file."""

from monai_cobot.inferers.batch import (
    FileBoxes,
    OracleBoxes,
    VolumeCollate,
    prepare_slices,
    prepare_volume,
)
from monai_cobot.inferers.image import PromptedImageInferer
from monai_cobot.inferers.painting import paint_logits
from monai_cobot.inferers.propagation import Propagation
from monai_cobot.inferers.volume import PromptedVolumeInferer
from monai_cobot.inferers.writing import write_label_like

__all__ = [
    "FileBoxes",
    "OracleBoxes",
    "PromptedImageInferer",
    "PromptedVolumeInferer",
    "Propagation",
    "VolumeCollate",
    "paint_logits",
    "prepare_slices",
    "prepare_volume",
    "write_label_like",
]
