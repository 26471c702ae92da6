from __future__ import annotations

import dataclasses
import re

import pytest

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.peft import AdaptformerConfig, LoRAConfig


def test_methods() -> None:
    # trains the decoder, is SAM at the start, merges, can be orchestrated
    able = {
        "freeze": (False, True, False, False),
        "lightweight": (True, True, True, False),
        "lora": (True, True, True, True),
        "adaptformer": (True, True, False, True),
        "dora": (True, True, True, True),
        "bitfit": (True, True, True, True),
        "ssf": (True, True, True, True),
        "attention_tuning": (True, True, True, True),
        "vpt": (True, False, False, False),
        "lst": (True, True, False, False),
        "full": (True, True, True, False),
    }
    assert peft.names() == tuple(able)
    for name, expected in able.items():
        m = peft.get(name)
        declared = (m.identity_at_start, m.mergeable, m.orchestratable)
        assert (m.trains_decoder, *(d.holds for d in declared)) == expected, name


def test_configs_are_frozen_and_have_defaults() -> None:
    for name in peft.names():
        config = peft.config_from_mapping(name)
        assert isinstance(config, peft.get(name).config)
        assert dataclasses.is_dataclass(config)
        assert config.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_config_from_mapping() -> None:
    assert peft.config_from_mapping("lora", {"rank": 8}) == LoRAConfig(8)
    assert peft.config_from_mapping("adaptformer", {"dropout": 0}) == AdaptformerConfig(16, 0)


def test_unknown_method() -> None:
    message = "unknown method 'lroa': choose one of freeze, lightweight, lora, adaptformer"
    with pytest.raises(CobotError, match=re.escape(message)):
        peft.get("lroa")
    with pytest.raises(CobotError, match=r"unknown method 'lroa'"):
        peft.config_from_mapping("lroa")


def test_unknown_option() -> None:
    with pytest.raises(CobotError, match=r"unknown option 'r' of method lora: known are rank, alp"):
        peft.config_from_mapping("lora", {"r": 4})
    with pytest.raises(CobotError, match=r"unknown option 'r' of method freeze: it has no options"):
        peft.config_from_mapping("freeze", {"r": 4})


def test_a_name_is_registered_once() -> None:
    with pytest.raises(
        CobotError, match=r"method 'lora' is registered already: choose another name"
    ):
        peft.register(peft.get("lora"))
