"""The statistics and the choice of rates of `benchmarks/fine_tune_small_sam.py`."""

from __future__ import annotations

import importlib.util
import math
import sys
from types import ModuleType

import pytest

from monai_cobot.metrics import Row
from tests.conftest import REPOSITORY

METHODS = {
    "zero shot": ("zero_shot", False),
    "LoRA": ("lora", False),
    "LoRA + orchestration": ("lora", True),
    "Adaptformer": ("adaptformer", False),
    "Adaptformer + orchestration": ("adaptformer", True),
}


@pytest.fixture(scope="module")
def study() -> ModuleType:
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))  # as for a script that is run
    specification = importlib.util.spec_from_file_location(
        "fine_tune_small_sam", REPOSITORY / "benchmarks" / "fine_tune_small_sam.py"
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["fine_tune_small_sam"] = module
    try:
        specification.loader.exec_module(module)
    finally:
        sys.path.remove(str(REPOSITORY / "benchmarks"))
    return module


def row(answer: str, patient: str, seed: int, dice: float) -> Row:
    nan = float("nan")
    return Row(
        "case", patient, "organ", "1", "clinical", "box", dice, nan, nan, nan, nan, nan, 9, 9,
        *METHODS[answer], seed, "", "patient", 256, "small", "w", "exact",
    )  # fmt: skip


def test_gains_are_paired_by_patient(study: ModuleType) -> None:
    """Patient a has two targets and b one; computed by hand."""
    rows = [row("zero shot", "a", 0, d) for d in (0.2, 0.4)] + [row("zero shot", "b", 0, 0.5)]
    for answer in ("LoRA", "LoRA + orchestration", "Adaptformer", "Adaptformer + orchestration"):
        more = 0.1 if answer == "LoRA + orchestration" else 0.0
        rows += [row(answer, "a", 0, d) for d in (0.5 + more, 0.7 + more)]
        rows += [row(answer, "a", 1, 0.4), row(answer, "a", 1, 0.4)]
        rows += [row(answer, "b", 0, 0.7), row(answer, "b", 1, 0.9)]
    table = {line["answer"]: line for line in study.compare(rows, "BRAST")}
    lora = table["LoRA"]
    assert (lora["seeds"], lora["patients"]) == (2, 2)
    assert lora["dice"] == pytest.approx(0.65)  # seed 0: 0.6 and 0.7; seed 1: 0.4 and 0.9
    assert lora["deviation"] == pytest.approx(0)
    assert lora["dice_of_targets"] == pytest.approx((0.5 + 0.7 + 0.4 + 0.4 + 0.7 + 0.9) / 6)
    assert lora["gain"] == pytest.approx(0.25)  # 0.2 of a, 0.3 of b
    assert lora["standard_error"] == pytest.approx(0.05)
    assert table["zero shot"]["gain"] == 0
    assert math.isnan(table["zero shot"]["deviation"])
    both = table["LoRA + orchestration over LoRA"]
    assert both["gain"] == pytest.approx(0.025)  # 0.05 of a, 0 of b
    assert both["standard_error"] == pytest.approx(0.025)
    assert table["Adaptformer + orchestration over Adaptformer"]["gain"] == 0


def test_rates_are_tried_until_the_best_is_between_others(study: ModuleType) -> None:
    def trials(best: float) -> list[float]:
        tried: dict[float, float] = {}
        while rate := study.next_rate(tried):
            tried[rate] = -abs(math.log(rate / best))
        return list(tried)

    assert trials(1e-3) == [3e-4, 1e-3, 3e-3]
    assert trials(1e-2) == [3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
    assert trials(1e-4) == [3e-4, 1e-3, 3e-3, 1e-4, 3e-5]
    assert trials(1e-9) == [3e-4, 1e-3, 3e-3, 1e-4, 3e-5]  # the ladder ends
