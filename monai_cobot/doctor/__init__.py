"""The data doctor: looks through a dataset and says what to mend, before hours are spent on it.

``dataset`` goes through it; ``listing`` finds the cases, ``volumes`` and ``pictures`` look at one,
``comparisons`` and ``flips`` hold each against the others, ``patients`` looks at the parts. What is
found are ``findings``; their ``codes`` are described in docs/doctor.md.
"""

from monai_cobot.doctor.console import print_diagnosis
from monai_cobot.doctor.dataset import check_dataset, examine_cases
from monai_cobot.doctor.findings import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "check_dataset", "examine_cases", "print_diagnosis"]
