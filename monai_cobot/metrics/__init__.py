"""Scores, the trivial answers beside them, and the tables and pictures made of both.

Knows nothing of networks, files of images or datasets: it takes label maps, prompts and arrays.
"""

from monai_cobot.metrics.average_precision import CONVENTION as AP_CONVENTION
from monai_cobot.metrics.average_precision import SUMMARY as AP_SUMMARY
from monai_cobot.metrics.average_precision import average_precision
from monai_cobot.metrics.box_plot import dice_box_plot
from monai_cobot.metrics.choice import representative_cases, telling_slice
from monai_cobot.metrics.comparison import compare_by_organ
from monai_cobot.metrics.console import print_organ_table, print_scores, scores_table
from monai_cobot.metrics.instances import instance_rows, instance_scores, paper_rows
from monai_cobot.metrics.organ_table import OrganDice, OrganTable
from monai_cobot.metrics.overlay import instance_overlay, overlay
from monai_cobot.metrics.paper import PooledDice, PooledScore
from monai_cobot.metrics.site_figures import (
    coefficient_figure,
    relation_heat_maps,
    row_mean_share,
    site_figure,
)
from monai_cobot.metrics.summary import distinct, summarise, write_json
from monai_cobot.metrics.table import (
    BOX,
    CLINICAL,
    EXACT,
    ORGAN,
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
    trivial_masks,
    trivial_volume,
)
from monai_cobot.metrics.volume import CONVENTIONS, OrganScore, ScoredOrgan, organ_scores

__all__ = [
    "AP_CONVENTION",
    "AP_SUMMARY",
    "BOX",
    "CLINICAL",
    "CONVENTIONS",
    "EXACT",
    "ORGAN",
    "PAPER",
    "POOLED",
    "TRIVIAL_ANSWERS",
    "OrganDice",
    "OrganScore",
    "OrganTable",
    "PooledDice",
    "PooledScore",
    "Row",
    "Run",
    "ScoredOrgan",
    "average_precision",
    "coefficient_figure",
    "compare_by_organ",
    "dice_box_plot",
    "distinct",
    "filled_box",
    "inscribed_ellipse",
    "instance_overlay",
    "instance_rows",
    "instance_scores",
    "organ_scores",
    "overlay",
    "paint",
    "paper_rows",
    "pooled_rows",
    "print_organ_table",
    "print_scores",
    "read_csv",
    "relation_heat_maps",
    "representative_cases",
    "row_mean_share",
    "scores_table",
    "series_name",
    "site_figure",
    "summarise",
    "telling_slice",
    "trivial_masks",
    "trivial_volume",
    "volume_rows",
    "write_csv",
    "write_json",
]
