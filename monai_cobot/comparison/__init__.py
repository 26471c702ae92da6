"""Methods x datasets x seeds, compared on a test part that is read once, at the end."""

from monai_cobot.comparison.comparing import Compared, Comparison
from monai_cobot.comparison.plan import Plan
from monai_cobot.comparison.plan_file import load_plan
from monai_cobot.comparison.report import write_report

__all__ = ["Compared", "Comparison", "Plan", "load_plan", "write_report"]
