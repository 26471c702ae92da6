"""COCO's average precision, against a case worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from monai_cobot.metrics import AP_SUMMARY, average_precision
from monai_cobot.transforms import encode_masks

# COCOeval takes 101 recalls and 10 IoU; its sums are of doubles.
EXACT = 1e-9


def rectangle(x0: int, y0: int, x1: int, y1: int) -> dict[str, Any]:
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[0, y0:y1, x0:x1] = 1
    return encode_masks(mask)[0]


def truth(*annotations: tuple[int, tuple[int, int, int, int], int]) -> dict[str, Any]:
    """One picture with (category, rectangle, crowd); categories 3, 5 and 9."""
    return {
        "info": {},
        "images": [{"id": 7, "file_name": "a.png", "height": 40, "width": 40}],
        "annotations": [
            {
                "id": number, "image_id": 7, "category_id": category, "iscrowd": crowd,
                "segmentation": rectangle(*box), "area": 100, "bbox": [0, 0, 1, 1],
            }
            for number, (category, box, crowd) in enumerate(annotations, start=1)
        ],
        "categories": [{"id": 3, "name": "ship"}, {"id": 5, "name": "tire"},
                       {"id": 9, "name": "can"}],
    }  # fmt: skip


def result(category: int, box: tuple[int, int, int, int], score: float) -> dict[str, Any]:
    return {"image_id": 7, "category_id": category, "segmentation": rectangle(*box), "score": score}


def test_by_hand() -> None:
    given = truth(
        (3, (0, 0, 10, 10), 0), (3, (20, 20, 30, 30), 0), (5, (0, 20, 8, 30), 0)
    )  # fmt: skip
    found = average_precision(
        given,
        [
            result(3, (0, 0, 10, 10), 0.9),  # right
            result(3, (0, 30, 9, 40), 0.8),  # none there
            result(3, (20, 20, 30, 30), 0.7),  # right
            result(5, (0, 20, 5, 30), 0.6),  # IoU 5 / 8: right up to 0.60, 3 of 10
        ],
    )
    # Precision 1 at the recalls 0.00 to 0.50, 2 of 3 up to 1.00.
    ship = (51 + 50 * 2 / 3) / 101
    assert found["classes"]["ship"] == pytest.approx(ship, abs=EXACT)
    assert found["classes"]["tire"] == pytest.approx(0.3, abs=EXACT)
    assert math.isnan(found["classes"]["can"])  # no truth
    assert found["AP"] == pytest.approx((ship + 0.3) / 2, abs=EXACT)
    assert found["AP50"] == pytest.approx((ship + 1) / 2, abs=EXACT)
    assert found["AP75"] == pytest.approx(ship / 2, abs=EXACT)
    assert found["AR1"] == pytest.approx((0.5 + 0.3) / 2, abs=EXACT)
    assert found["AR100"] == pytest.approx((1 + 0.3) / 2, abs=EXACT)
    assert found["APs"] == pytest.approx(found["AP"], abs=EXACT)  # all areas are 100
    assert math.isnan(found["APm"])
    assert math.isnan(found["APl"])


def test_a_crowd_is_ignored() -> None:
    """What lies in a crowd is neither right nor wrong, and the crowd is not missed."""
    given = truth((3, (0, 0, 10, 10), 0), (3, (20, 20, 40, 40), 1))
    results = [result(3, (22, 22, 26, 26), 0.9), result(3, (0, 0, 10, 10), 0.8)]
    assert average_precision(given, results)["AP"] == pytest.approx(1.0, abs=EXACT)


def test_nothing_is_printed_or_changed(capsys: pytest.CaptureFixture[str]) -> None:
    given, results = truth((3, (0, 0, 10, 10), 0)), [result(3, (0, 0, 10, 10), 0.9)]
    average_precision(given, results)
    assert (given, results) == (
        truth((3, (0, 0, 10, 10), 0)),
        [result(3, (0, 0, 10, 10), 0.9)],
    )
    assert capsys.readouterr().out == ""


def test_without_results() -> None:
    found = average_precision(truth((3, (0, 0, 10, 10), 0)), [])
    assert all(math.isnan(found[name]) for name in AP_SUMMARY)
    assert list(found["classes"]) == ["ship", "tire", "can"]
