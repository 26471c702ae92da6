"""Ignite handlers that MONAI lacks: exact resuming, progress, the report of an evaluation."""

from monai_cobot.handlers.checkpointing import CheckpointRun
from monai_cobot.handlers.determinism import SeedIterations
from monai_cobot.handlers.picture_predictions import SavePictures
from monai_cobot.handlers.picture_report import PictureReport
from monai_cobot.handlers.predictions import SavePredictions
from monai_cobot.handlers.processes import end_processes, gathered, own_share, train_together
from monai_cobot.handlers.progress import TrainingProgress
from monai_cobot.handlers.report import clear_evaluation, refuse_earlier_evaluation
from monai_cobot.handlers.volume_report import VolumeReport

__all__ = [
    "CheckpointRun",
    "PictureReport",
    "SavePictures",
    "SavePredictions",
    "SeedIterations",
    "TrainingProgress",
    "VolumeReport",
    "clear_evaluation",
    "end_processes",
    "gathered",
    "own_share",
    "refuse_earlier_evaluation",
    "train_together",
]
