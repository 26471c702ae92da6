"""Where the tests find what lies outside of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real test data: COBOT_DATA_DIR, else shared/data beside the repository."""
    folder = Path(os.environ.get("COBOT_DATA_DIR", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set COBOT_DATA_DIR to run this test")
    return folder
