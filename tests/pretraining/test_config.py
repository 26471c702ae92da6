"""The recipe: what it refuses, how the rate goes, and which run may become which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_cobot.errors import CobotError
from monai_cobot.pretraining import PretrainingConfig
from monai_cobot.pretraining.config import DEFAULT
from tests.pretraining.conftest import SMALL_PICTURES, STAGE, Recipe

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
        ({"warmup_steps": 5}, "decay_steps=2 do not fit into steps=6: make steps larger"),
        ({"focused": 1}, "focused=1: give true or false"),
        ({"precision": "half"}, "precision='half': choose one of float32, bfloat16"),
        ({"batch_size": 3}, "stage 1: batch_size=3 is not a multiple of reuse=2"),
        ({"image_size": 40}, "stage 1: image_size=40: give a multiple of the patch, 16"),
        ({"image_size": 48}, "the last stage has image_size=48: give 64, the input of sam: tiny"),
        ({"stages": []}, "stages is empty: give one at least"),
        ({"stages": {"steps": 1}}, "stages=.*: give a list"),
        (
            {"stages": [{**STAGE, "lrr": 1}]},
            r"stage 1: missing setting\(s\) \[\], unknown one\(s\) \['lrr'\]: give all",
        ),
        ({"stages": [STAGE, {"steps": 1}]}, r"stage 2: missing setting\(s\) \['batch_size', 'cl"),
        ({"stages": [None]}, "stage 1: None is no stage: give"),
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


def test_a_file_changes_some_settings(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 5\nweight_decay: 0\n", encoding="utf-8")
    config = PretrainingConfig.load(file)
    expected = {**PretrainingConfig.load().to_dict(), "seed": 5, "weight_decay": 0}
    assert config.to_dict() == expected
    assert PretrainingConfig.complete(config.to_dict()) == config
    with pytest.raises(CobotError, match=r"setting\(s\) \['reuse'\] are missing"):
        PretrainingConfig.complete({k: v for k, v in config.to_dict().items() if k != "reuse"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "mine.yaml cannot be read as YAML .*: mend it"),
        (b"seed: [1", "mine.yaml cannot be read as YAML"),
        (b"\xff\xfe\x00", "mine.yaml cannot be read as YAML"),
        (b"- 1", "mine.yaml holds no settings: see"),
        (b"", "mine.yaml holds no settings"),
        (b"seed: none", "mine.yaml: seed='none'"),
    ],
)
def test_files_that_are_no_recipe(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CobotError, match=message):
        PretrainingConfig.load(file)


def test_the_rate_goes_up_stays_and_goes_down(recipe: Recipe) -> None:
    stage = recipe(steps=10, warmup_steps=2, decay_steps=4, lr=1.0).stages[0]
    rates = [stage.rate(step) for step in range(10)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    constant = recipe(steps=3, warmup_steps=0, decay_steps=0, lr=0.2).stages[0]
    assert [constant.rate(step) for step in range(3)] == [0.2] * 3


def test_steps_run_through_the_stages(recipe: Recipe) -> None:
    config = recipe(before=[SMALL_PICTURES, {**SMALL_PICTURES, "steps": 3}], steps=4)
    assert config.steps == 9
    assert [config.locate(step) for step in range(9)] == [
        (0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (2, 3),
    ]  # fmt: skip
    assert [config.first_step(stage) for stage in range(3)] == [0, 2, 5]
    with pytest.raises(IndexError, match="step 9 of 9"):
        config.locate(9)


def test_a_run_may_change_its_end_before_its_decay_and_nothing_else(recipe: Recipe) -> None:
    config = recipe(steps=10, decay_steps=4)
    assert config.may_become(config, 9)
    longer, shorter = recipe(steps=20, decay_steps=4), recipe(steps=8, decay_steps=4)
    assert config.may_become(longer, 6)
    assert not config.may_become(longer, 7)
    assert config.may_become(shorter, 4)
    assert not config.may_become(shorter, 5)
    assert config.may_become(recipe(steps=10, decay_steps=4, workers=2, held_out=9), 9)
    for other in ({"lr": 2.0e-3}, {"seed": 4}, {"batch_size": 4}, {"jitters": [EXACT]},
                  {"warmup_steps": 0}, {"focused": False}, {"precision": "float32"},
                  {"before": [SMALL_PICTURES]}):  # fmt: skip
        assert not config.may_become(recipe(steps=10, decay_steps=4, **other), 0), other


def test_stages_to_come_may_change_and_those_that_are_over_may_not(recipe: Recipe) -> None:
    config = recipe(before=[SMALL_PICTURES])
    assert config.may_become(recipe(before=[SMALL_PICTURES], lr=5.0e-3, steps=9), 2)
    assert not config.may_become(recipe(before=[SMALL_PICTURES], lr=5.0e-3), 3)
    assert config.may_become(recipe(before=[SMALL_PICTURES], steps=9), 3)
    longer = recipe(before=[{**SMALL_PICTURES, "steps": 5}])
    assert config.may_become(longer, 2)  # it is not left yet
    assert not config.may_become(longer, 3)
    assert not config.may_become(recipe(), 3)  # the stage is not there
    assert not config.may_become(recipe(before=[{**SMALL_PICTURES, "lr": 5.0e-3}]), 1)
