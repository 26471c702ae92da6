"""Paired statistics against sums by hand and enumeration."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from monai_cobot.comparison.answers import Answer, patient_means
from monai_cobot.comparison.differences import Difference, interval, wilcoxon
from tests.comparison.conftest import COST, make_answer, make_row

ROUNDING = 1e-12  # sums of a few numbers in double precision


def test_patient_counts_once_whatever_its_targets_and_seeds() -> None:
    """Patient A has two targets in seed 0: (0.2 + 0.6) / 2 = 0.4; an absent one does not count."""
    rows = [
        make_row("A", "liver", 0.2),
        make_row("A", "spleen", 0.6),
        make_row("A", "pancreas", math.nan),
        make_row("B", "liver", 0.8),
    ]
    assert patient_means(rows, "dice") == pytest.approx({"A": 0.4, "B": 0.8}, abs=ROUNDING)
    other = [make_row("A", "liver", 0.6), make_row("B", "liver", 0.6)]
    answer = Answer("DATA", "LoRA", "dice", {0: rows, 1: other})
    assert answer.seed_means("dice") == pytest.approx([0.6, 0.6], abs=ROUNDING)
    assert answer.of_patients("dice") == pytest.approx({"A": 0.5, "B": 0.7}, abs=ROUNDING)


def test_mean_and_deviation_are_over_the_seeds() -> None:
    answer = make_answer("LoRA", {0: {"A": 0.5, "B": 0.7}, 1: {"A": 0.7, "B": 0.9}})
    assert answer.mean("dice") == pytest.approx(0.7, abs=ROUNDING)  # of 0.6 and 0.8
    assert answer.deviation("dice") == pytest.approx(math.sqrt(0.02), abs=ROUNDING)
    assert math.isnan(make_answer("LoRA", {0: {"A": 0.5}}).deviation("dice"))


def test_difference_is_paired_by_patient() -> None:
    first = make_answer("LoRA", {0: {"A": 0.5, "B": 0.9}, 1: {"A": 0.7, "B": 0.9}})
    second = make_answer("zero shot", {0: {"B": 0.5, "A": 0.4}})
    found = Difference.of(first, second)
    assert (found.first, found.second, found.patients) == ("LoRA", "zero shot", 2)
    assert found.mean == pytest.approx(0.3, abs=ROUNDING)  # of 0.2 and 0.4
    assert (found.low, found.high) == pytest.approx((0.2, 0.4), abs=ROUNDING)
    assert math.isnan(found.p)


def test_seeds_that_both_have_are_paired() -> None:
    """The second's broken seed 0 is left out of the first, too: 0.9 - 0.5, not 0.5 - 0.5."""
    first = make_answer("LoRA", {0: {"A": 0.1}, 1: {"A": 0.9}}, COST)
    second = make_answer("SSF", {1: {"A": 0.5}, 2: {"A": 0.0}}, COST, planned=3)
    found = Difference.of(first, second)
    assert (found.mean, found.seeds) == (pytest.approx(0.4, abs=ROUNDING), 1)
    zero_shot = make_answer("zero shot", {0: {"A": 0.4}})
    found = Difference.of(second, zero_shot)
    assert (found.mean, found.seeds) == (pytest.approx(-0.15, abs=ROUNDING), 2)
    third = make_answer("VPT", {0: {"A": 0.5}}, COST)
    found = Difference.of(second, third)
    assert (found.patients, found.seeds) == (0, 0)
    assert math.isnan(found.mean)


def test_patients_are_those_that_the_truth_has_whatever_was_predicted() -> None:
    """Patient B has no organ: nothing found in seed 0, something in seed 1, which is counted."""
    false = dataclasses.replace(make_row("B", "liver", 0.0), true_voxels=0)
    missed = dataclasses.replace(make_row("C", "liver", 0.0), predicted_voxels=0)
    rows = {
        0: [make_row("A", "liver", 0.6), make_row("B", "liver", math.nan), missed],
        1: [make_row("A", "liver", 0.8), false, missed],
    }
    answer = Answer("DATA", "LoRA", "dice", rows, COST, 2)
    assert answer.of_patients("dice") == pytest.approx({"A": 0.7, "C": 0.0}, abs=ROUNDING)
    assert answer.seed_means("dice") == pytest.approx([0.3, 0.4], abs=ROUNDING)
    assert answer.false_findings == 0.5


def test_interval_of_few_values_is_that_of_all_resamples() -> None:
    """Three values have 27 equally likely resamples; 2000 draws meet their quantiles."""
    values = np.array([0.0, 0.3, 0.9])
    means = [np.mean(draw) for draw in itertools.product(values, repeat=3)]
    expected = np.quantile(means, [0.025, 0.975], method="inverted_cdf")
    assert interval(values) == pytest.approx(tuple(expected), abs=ROUNDING)
    assert all(math.isnan(end) for end in interval(values[:1]))


def test_wilcoxon_is_the_share_of_signs_that_are_as_extreme() -> None:
    """Exact by enumeration: all 2^7 signs of the ranks are equally likely."""
    values = np.array([0.1, 0.2, 0.3, -0.4, 0.5, 0.6, 0.7])
    ranks = np.arange(1, 8)
    sums = [np.dot(ranks, signs) for signs in itertools.product((0, 1), repeat=7)]
    smaller = min(4, sum(ranks) - 4)
    expected = 2 * np.mean([total <= smaller for total in sums])
    assert wilcoxon(values) == pytest.approx(expected, abs=ROUNDING)


def test_wilcoxon_needs_six_patients_and_takes_equal_answers() -> None:
    assert math.isnan(wilcoxon(np.full(5, 0.1)))
    assert wilcoxon(np.arange(1.0, 7.0)) == pytest.approx(2 / 2**6, abs=ROUNDING)
    assert wilcoxon(np.zeros(6)) == 1.0
