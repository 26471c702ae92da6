"""A volume through SAM slice by slice, and its label map back to a file."""

from monai_cobot.inferers.batch import (
    FileBoxes,
    OracleBoxes,
    VolumeCollate,
    prepare_slices,
    prepare_volume,
)
from monai_cobot.inferers.volume import PromptedVolumeInferer, paint_logits
from monai_cobot.inferers.writing import write_label_like

__all__ = [
    "FileBoxes",
    "OracleBoxes",
    "PromptedVolumeInferer",
    "VolumeCollate",
    "paint_logits",
    "prepare_slices",
    "prepare_volume",
    "write_label_like",
]
