"""What a network is worth on volumes and pictures, beside the trivial answers."""

from monai_cobot.evaluation.cases import evaluate_case, evaluate_cases
from monai_cobot.evaluation.zero_shot import SUBSETS, ZeroShotScore, zero_shot

__all__ = ["SUBSETS", "ZeroShotScore", "evaluate_case", "evaluate_cases", "zero_shot"]
