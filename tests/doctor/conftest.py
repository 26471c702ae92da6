"""A small synthetic cohort, drawn once, copied for each fault that is planted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monai_cobot.data.phantom import make_cohort

CASES = 6


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(tmp_path_factory.mktemp("doctor") / "cohort", CASES, shape=(64, 64, 24))


@pytest.fixture
def cohort(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the cohort that a test may damage."""
    return Path(shutil.copytree(drawn, tmp_path / "cohort"))
