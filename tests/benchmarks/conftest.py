"""The benchmarks' modules, imported as by a script that is run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from monai_cobot.sam import SIZES
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    monkeypatch.syspath_prepend(str(FOLDER))
    sizes, known = dict(SIZES), set(sys.modules)
    yield importlib.import_module
    SIZES.clear()
    SIZES.update(sizes)
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(FOLDER)):
            del sys.modules[name]
