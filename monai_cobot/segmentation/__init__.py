"""New images through a bundle's own inference, case by case."""

from monai_cobot.segmentation.inference import BundleInference
from monai_cobot.segmentation.output import Output
from monai_cobot.segmentation.results import CaseResult, Summary
from monai_cobot.segmentation.run import segment
from monai_cobot.segmentation.sources import DicomSource, NiftiSource, Source, find_sources
from monai_cobot.segmentation.table import print_summary

__all__ = [
    "BundleInference",
    "CaseResult",
    "DicomSource",
    "NiftiSource",
    "Output",
    "Source",
    "Summary",
    "find_sources",
    "print_summary",
    "segment",
]
