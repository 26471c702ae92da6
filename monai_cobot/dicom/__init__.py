"""DICOM series as volumes, with their place in the patient."""

from monai_cobot.dicom.folder import Series, choose_series, find_series, holds_dicom
from monai_cobot.dicom.geometry import arrange
from monai_cobot.dicom.plane import Plane, planes_of
from monai_cobot.dicom.volume import read_volume, series_to_nifti

__all__ = [
    "Plane",
    "Series",
    "arrange",
    "choose_series",
    "find_series",
    "holds_dicom",
    "planes_of",
    "read_volume",
    "series_to_nifti",
]
