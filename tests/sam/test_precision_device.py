"""bfloat16 is refused on a GPU that has none, before anything is computed there."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from monai_cobot.bundle import place
from monai_cobot.errors import CobotError
from monai_cobot.sam import check_device


def of(precision: str) -> SimpleNamespace:
    """What is asked of a SAM: the type of its products."""
    return SimpleNamespace(autocast_dtype={"fp32": None, "bf16": torch.bfloat16}[precision])


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """A GPU of Turing, or with ``native`` of Ampere, on a machine that may have none."""
    state = {"native": False}

    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or state["native"]

    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Quadro RTX 4000")
    return state


def test_a_gpu_that_emulates_is_refused(gpu) -> None:
    with pytest.raises(CobotError, match=r"Quadro RTX 4000 does not .*: set precision: fp32 \(of"):
        check_device(of("bf16"), "cuda:0")


def test_others_are_not(gpu) -> None:
    check_device(of("fp32"), "cuda:0")
    check_device(of("bf16"), "cpu")
    gpu["native"] = True
    check_device(of("bf16"), torch.device("cuda"))


def test_the_bundles_ask_before_they_move_a_network(gpu) -> None:
    network = SimpleNamespace(sam=of("bf16"), to=lambda device: device)
    with pytest.raises(CobotError, match="precision: fp32"):
        place(network, "cuda")
    assert place(network, "cpu") == "cpu"
