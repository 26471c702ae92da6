"""Weights in the package: half precision in the file, single in the network, checked by hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from monai_cobot.errors import CobotError
from monai_cobot.pretraining import PretrainingConfig, score_held_out
from monai_cobot.sam import load_base, shipped
from monai_cobot.sam.build import build_random
from monai_cobot.sam.sizes import SIZES


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the package is made to ship for `small`."""
    state = build_random(SIZES["small"], seed=5).state_dict()
    content = save({key: value.half() for key, value in state.items()})
    file = tmp_path / "sam_small.safetensors"
    file.write_bytes(content)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    entry = shipped.ShippedWeights(file.name, hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(shipped.SHIPPED, "small", entry)
    return file


def test_small_takes_what_is_shipped(planted: Path) -> None:
    network, base = load_base("small")
    expected = build_random(SIZES["small"], seed=5).state_dict()
    assert base.weights == planted.name
    for key, value in network.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, expected[key].half().float()), key


def test_a_path_is_the_same_model_and_random_overrides(planted: Path) -> None:
    _, base = load_base("small", planted)
    _, other = load_base("small", "random")
    assert other.weights == "random"
    assert other.sha256 != base.sha256


def test_changed_bytes_are_refused(planted: Path) -> None:
    content = bytearray(planted.read_bytes())
    content[-1] ^= 1
    planted.write_bytes(bytes(content))
    with pytest.raises(CobotError, match=r"sam_small.safetensors has the SHA-256 .* install"):
        load_base("small")


def test_a_missing_file_is_named(planted: Path) -> None:
    planted.unlink()
    with pytest.raises(CobotError, match=r"sam_small.safetensors cannot be read .* install"):
        load_base("small")


def test_what_is_shipped_is_the_recipes_and_small() -> None:
    """At most 10 MB in half precision, with the recipe that the package says it has."""
    file = shipped.SHIPPED["small"].path
    assert file.stat().st_size <= 10 * 2**20
    with safe_open(file, "pt") as opened:
        recipe = json.loads(opened.metadata()["recipe"])
        assert {opened.get_tensor(key).dtype for key in opened.keys()} == {torch.float16}  # noqa: SIM118
    assert PretrainingConfig.complete(recipe) == PretrainingConfig.load()
    card = file.with_name("MODEL_CARD.md").read_text()
    assert shipped.SHIPPED["small"].sha256 in card
    assert f"seed {recipe['seed']}" in card


def test_what_is_shipped_reads_pictures() -> None:
    """From boxes that are wrong it is above the ellipse, on drawings that it was not trained on."""
    network, base = load_base("small")
    scores = {(s.answer, s.box_jitter): s.dice for s in score_held_out(network, base, 12)}
    jitter = "symmetric 50 px at 1024"
    assert scores["zero shot", jitter] > scores["ellipse", jitter] + 0.05
