"""Scores, the trivial answers beside them, and the tables and pictures made of both.

Knows nothing of networks, files of images or datasets: it takes label maps and prompts.
"""

from monai_cobot.metrics.box_plot import dice_box_plot
from monai_cobot.metrics.choice import representative_cases, telling_slice
from monai_cobot.metrics.console import print_scores, scores_table
from monai_cobot.metrics.overlay import overlay
from monai_cobot.metrics.paper import PooledDice, PooledScore
from monai_cobot.metrics.summary import summarise, write_json
from monai_cobot.metrics.table import (
    CLINICAL,
    PAPER,
    POOLED,
    Row,
    Run,
    pooled_rows,
    read_csv,
    series_name,
    volume_rows,
    write_csv,
)
from monai_cobot.metrics.trivial import (
    TRIVIAL_ANSWERS,
    filled_box,
    inscribed_ellipse,
    paint,
    trivial_volume,
)
from monai_cobot.metrics.volume import CONVENTIONS, OrganScore, ScoredOrgan, organ_scores

__all__ = [
    "CLINICAL",
    "CONVENTIONS",
    "PAPER",
    "POOLED",
    "TRIVIAL_ANSWERS",
    "OrganScore",
    "PooledDice",
    "PooledScore",
    "Row",
    "Run",
    "ScoredOrgan",
    "dice_box_plot",
    "filled_box",
    "inscribed_ellipse",
    "organ_scores",
    "overlay",
    "paint",
    "pooled_rows",
    "print_scores",
    "read_csv",
    "representative_cases",
    "scores_table",
    "series_name",
    "summarise",
    "telling_slice",
    "trivial_volume",
    "volume_rows",
    "write_csv",
    "write_json",
]
