"""How the small SAM that the package ships is trained: on drawings, by SAM's recipe in small."""

from monai_cobot.pretraining.config import PretrainingConfig
from monai_cobot.pretraining.export import export_weights
from monai_cobot.pretraining.held_out import score_drawings, score_held_out
from monai_cobot.pretraining.training import Pretraining

__all__ = [
    "Pretraining",
    "PretrainingConfig",
    "export_weights",
    "score_drawings",
    "score_held_out",
]
