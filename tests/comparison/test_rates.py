"""Every method gets as many trials."""

from __future__ import annotations

from collections import Counter

import pytest

from monai_cobot.comparison.rates import Rates, paper_rates
from monai_cobot.comparison.trials import choose
from monai_cobot.errors import CobotError

LISTS = {"lr": [1.0, 2.0, 3.0], "orchestration_lr": [10.0, 20.0, 30.0]}
PLAIN = ["lr"]
BOTH = ["lr", "orchestration_lr"]


def test_plain_method_tries_its_list() -> None:
    assert Rates.draw(LISTS, PLAIN, 3, "m") == [Rates(1.0), Rates(2.0), Rates(3.0)]


def test_as_many_trials_as_combinations_are_the_grid() -> None:
    found = Rates.draw(LISTS, BOTH, 9, "m")
    assert len(set(found)) == 9


@pytest.mark.parametrize("trials", [3, 6])
def test_fewer_trials_take_every_value_equally_often(trials: int) -> None:
    found = Rates.draw(LISTS, BOTH, trials, "m")
    assert len(set(found)) == trials
    assert found == Rates.draw(LISTS, BOTH, trials, "another")
    assert set(Counter(rates.lr for rates in found).values()) == {trials // 3}
    if trials == 3:  # of six, a setting that comes again is drawn anew
        assert {rates.orchestration_lr for rates in found} == {10.0, 20.0, 30.0}


def test_too_few_settings_are_refused() -> None:
    with pytest.raises(CobotError, match="lora has 3 settings of its rates and 4 trials"):
        Rates.draw(LISTS, PLAIN, 4, "lora")


def test_lists_of_the_paper() -> None:
    assert paper_rates("US") == paper_rates("CT") == [1.25e-6, 1.25e-5, 1.25e-4]
    assert paper_rates("SONAR") == [1e-4, 1e-3, 1e-2]


def test_highest_validation_dice_is_chosen_and_nan_never() -> None:
    trials = {Rates(1.0): 0.5, Rates(2.0): float("nan"), Rates(3.0): 0.7, Rates(4.0): 0.7}
    assert choose(trials) == Rates(3.0)


def test_relation_matrix_has_a_list_or_a_share() -> None:
    names = [*BOTH, "relation_lr"]
    found = Rates.draw({**LISTS, "relation_lr": [0.5, 0.6]}, names, 18, "m")
    assert Counter(rates.relation_lr for rates in found) == {0.5: 9, 0.6: 9}
    shared = Rates.draw(LISTS, BOTH, 3, "m", relation_share=0.25)
    assert all(rates.relation_lr == rates.orchestration_lr / 4 for rates in shared)  # type: ignore[operator]
    plain = Rates.draw(LISTS, BOTH, 3, "m")
    assert [rates.lr for rates in shared] == [rates.lr for rates in plain]
    assert Rates(1.0, 10.0, 2.5).ids() == {"lr": 1.0, "orchestration_lr": 10.0, "relation_lr": 2.5}
    assert Rates(1.0, 10.0, 2.5).folder == "lr_1_orchestration_lr_10_relation_lr_2.5"
    assert Rates(1.0).ids() == {"lr": 1.0}
