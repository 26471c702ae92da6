"""Volumes through SAM slice by slice, pictures at once, and a label map back to a file."""

from monai_cobot.inferers.batch import (
    FileBoxes,
    NoBoxes,
    OracleBoxes,
    VolumeCollate,
    prepare_slices,
    prepare_volume,
    take_loss,
)
from monai_cobot.inferers.detections import DetectedBoxes, holds_detections
from monai_cobot.inferers.image import PromptedImageInferer
from monai_cobot.inferers.painting import paint_logits
from monai_cobot.inferers.picture import (
    PictureBoxes,
    PictureCollate,
    masks_as_items,
    prepare_picture,
)
from monai_cobot.inferers.propagation import Propagation
from monai_cobot.inferers.volume import PromptedVolumeInferer, label_maps
from monai_cobot.inferers.writing import write_label_like

__all__ = [
    "DetectedBoxes",
    "FileBoxes",
    "NoBoxes",
    "OracleBoxes",
    "PictureBoxes",
    "PictureCollate",
    "PromptedImageInferer",
    "PromptedVolumeInferer",
    "Propagation",
    "VolumeCollate",
    "holds_detections",
    "label_maps",
    "masks_as_items",
    "paint_logits",
    "prepare_picture",
    "prepare_slices",
    "prepare_volume",
    "take_loss",
    "write_label_like",
]
