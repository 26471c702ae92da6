"""The recipe: what it refuses, how the rate goes, and which run may become which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_cobot.errors import CobotError
from monai_cobot.pretraining import PretrainingConfig
from monai_cobot.pretraining.config import DEFAULT
from tests.pretraining.conftest import Recipe

EXACT = {"mode": "proportional", "size": 0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sam": "vit_x"}, "unknown SAM size 'vit_x': choose one of"),
        ({"steps": 0}, "steps=0: give a whole number of at least 1"),
        ({"steps": 4.5}, "steps=4.5: give a whole number"),
        ({"batch_size": True}, "batch_size=True: give a whole number"),
        ({"prompts": 0}, "prompts=0"),
        ({"reuse": "twice"}, "reuse='twice'"),
        ({"workers": -1}, "workers=-1: give a whole number of at least 0"),
        ({"seed": 2**63}, "seed=9223372036854775808: give one of at most"),
        ({"lr": "8e-4"}, "lr='8e-4': give a number above 0, as 1.0e-3"),
        ({"lr": 0}, "lr=0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"gradient_norm": -1}, "gradient_norm=-1"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1: give a number of at least 0"),
        ({"warmup_steps": 5}, "do not fit into steps=6: make steps larger"),
        ({"plain_steps": 5}, "plain_steps=5 and decay_steps=2 do not fit"),
        ({"point_share": 1.5}, "point_share=1.5: give a number between 0 and 1"),
        ({"clicks": [0.5, 0.4]}, "clicks=\\[0.5, 0.4\\]: give shares .* that add up to 1"),
        ({"clicks": [1.5, -0.5]}, "clicks="),
        ({"clicks": [None]}, "clicks="),
        ({"clicks": 1}, "clicks=1: give a list"),
        ({"jitters": []}, "jitters is empty: give"),
        ({"jitters": [None]}, "a jitter is empty"),
        ({"jitters": EXACT}, "jitters=.*: give a list"),
        ({"jitters": [{"mode": "sideways"}]}, "sideways"),
        ({"jitters": [{"mode": "proportional", "size": 3}]}, "between 0 and 1"),
        ({"epochs": 3, "batch": 2}, r"unknown setting\(s\) \['batch', 'epochs'\]: choose from"),
    ],
)
def test_refused(recipe: Recipe, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CobotError, match=message):
        recipe(**settings)


def test_the_shipped_recipe_says_what_every_setting_is() -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    assert yaml.safe_load(text).keys() == PretrainingConfig.load().to_dict().keys()
    assert PretrainingConfig.load().sam == "small"
    assert text.startswith(
        "# How the weights of `sam: small` are made:\n#     monai-cobot pretrain"
    )


def test_a_file_changes_some_settings(tmp_path: Path, recipe: Recipe) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("steps: 5000\njitters:\n  - {mode: proportional, size: 0}\n", encoding="utf-8")
    config = PretrainingConfig.load(file)
    expected = {**PretrainingConfig.load().to_dict(), "steps": 5000, "jitters": [EXACT]}
    assert config.to_dict() == expected
    assert PretrainingConfig.complete(config.to_dict()) == config
    with pytest.raises(CobotError, match=r"setting\(s\) \['lr'\] are missing"):
        PretrainingConfig.complete({k: v for k, v in config.to_dict().items() if k != "lr"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "mine.yaml cannot be read as YAML .*: mend it"),
        (b"steps: [1", "mine.yaml cannot be read as YAML"),
        (b"\xff\xfe\x00", "mine.yaml cannot be read as YAML"),
        (b"- 1", "mine.yaml holds no settings: see"),
        (b"", "mine.yaml holds no settings"),
        (b"steps: none", "mine.yaml: steps='none'"),
    ],
)
def test_files_that_are_no_recipe(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CobotError, match=message):
        PretrainingConfig.load(file)


def test_the_rate_goes_up_stays_and_goes_down(recipe: Recipe) -> None:
    config = recipe(steps=10, plain_steps=0, warmup_steps=2, decay_steps=4, lr=1.0)
    rates = [config.rate(step) for step in range(10)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    twice = recipe(steps=10, plain_steps=3, warmup_steps=2, decay_steps=4, lr=1.0)
    rates = [twice.rate(step) for step in range(10)]
    assert rates == pytest.approx([0.5, 1, 1, 0.5, 1, 1, 1, 0.75, 0.5, 0.25])
    constant = recipe(steps=3, plain_steps=0, warmup_steps=0, decay_steps=0, lr=0.2)
    assert [constant.rate(step) for step in range(3)] == [0.2] * 3


def test_a_run_may_change_its_end_before_its_decay_and_nothing_else(recipe: Recipe) -> None:
    config = recipe(steps=10, decay_steps=4)
    assert config.may_become(config, 9)
    longer, shorter = recipe(steps=20, decay_steps=4), recipe(steps=8, decay_steps=4)
    assert config.may_become(longer, 6)
    assert not config.may_become(longer, 7)
    assert config.may_become(shorter, 4)
    assert not config.may_become(shorter, 5)
    assert config.may_become(recipe(steps=10, decay_steps=4, workers=2, held_out=9), 9)
    for other in ({"lr": 2.0e-3}, {"seed": 4}, {"batch_size": 3}, {"jitters": [EXACT]},
                  {"plain_steps": 0}):  # fmt: skip
        assert not config.may_become(recipe(steps=10, decay_steps=4, **other), 0), other
