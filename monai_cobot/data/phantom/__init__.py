"""Synthetic abdominal CTs with 13 organs: a cohort to try, test and teach with, never evidence.

``anatomy`` is the table of structures, ``shapes`` their geometry, ``patient`` what makes patients
differ, ``rendering`` turns both into Hounsfield units and labels, ``cohort`` writes the files.
"""

from monai_cobot.data.phantom.cohort import make_cohort

__all__ = ["make_cohort"]
