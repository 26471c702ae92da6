"""Colours that colour-blind eyes tell apart (Okabe and Ito, 2008), by what they stand for."""

from __future__ import annotations

TRUTH = "#56B4E9"
PREDICTION = "#E69F00"
PROMPT = "#FFFFFF"
TRIVIAL = {"filled_box": "#999999", "ellipse": "#CC79A7"}
MODELS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#F0E442")


def readable(organ: str) -> str:
    """Write an organ's name for people: `kidney_right` as `kidney right`."""
    return organ.replace("_", " ")
