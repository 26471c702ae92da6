"""The mathematics of SAM-COBOT, and the one owner of the parameters that cross the blocks."""

from monai_cobot.orchestration.config import OrchestrationConfig
from monai_cobot.orchestration.hamilton import hamilton_product, hypercomplex_weight
from monai_cobot.orchestration.orchestrator import Orchestrator
from monai_cobot.orchestration.report import OrchestrationReport, orthogonal_departure
from monai_cobot.orchestration.seam import SiteMix, VectorMix
from monai_cobot.orchestration.tensor_product import (
    bcirc,
    dft_matrix,
    fold,
    mode3_product,
    t_product,
    transform_domain_product,
    unfold,
)

__all__ = [
    "OrchestrationConfig",
    "OrchestrationReport",
    "Orchestrator",
    "SiteMix",
    "VectorMix",
    "bcirc",
    "dft_matrix",
    "fold",
    "hamilton_product",
    "hypercomplex_weight",
    "mode3_product",
    "orthogonal_departure",
    "t_product",
    "transform_domain_product",
    "unfold",
]
