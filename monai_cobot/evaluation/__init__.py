"""What a network is worth on volumes and pictures, beside the trivial answers."""

from monai_cobot.evaluation.cases import BoxEvaluation
from monai_cobot.evaluation.mean_scores import JITTERS, MeanScore, mean_scores, print_mean_scores
from monai_cobot.evaluation.zero_shot import SUBSETS, plain_run, zero_shot

__all__ = [
    "JITTERS",
    "SUBSETS",
    "BoxEvaluation",
    "MeanScore",
    "mean_scores",
    "plain_run",
    "print_mean_scores",
    "zero_shot",
]
