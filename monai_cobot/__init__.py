"""monai_cobot: SAM fine-tuned cheaply with SAM-COBOT, as MONAI bundles."""

__version__ = "0.1.0"
