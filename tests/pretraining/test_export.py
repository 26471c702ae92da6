"""The file that ships: half precision, its recipe, and the network's masks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from monai_cobot.errors import CobotError
from monai_cobot.pretraining import Pretraining, PretrainingConfig, export_weights
from monai_cobot.sam import build_random, load_base, predict_masks
from tests.pretraining.conftest import Recipe
from tests.tiny_sam import TINY


@pytest.fixture
def run(recipe: Recipe, tmp_path: Path) -> Pretraining:
    finished = Pretraining(recipe(steps=2, decay_steps=0, lr=0.01), tmp_path / "run")
    finished.run()
    return finished


def test_half_precision_with_the_recipe(run: Pretraining, tmp_path: Path) -> None:
    file = export_weights(run, tmp_path / "new" / "sam.safetensors")
    state = load_file(file)
    assert state.keys() == run.network.state_dict().keys()
    assert {value.dtype for value in state.values()} == {torch.float16}
    with safe_open(file, "pt") as opened:
        recipe = json.loads(opened.metadata()["recipe"])
    assert PretrainingConfig.complete(recipe) == run.config
    for key, value in run.network.state_dict().items():
        torch.testing.assert_close(state[key].float(), value, rtol=2**-11, atol=2**-25)


def test_it_loads_as_a_base_model_with_the_masks_of_the_rounded_network(
    run: Pretraining, tmp_path: Path
) -> None:
    network, base = load_base("tiny", export_weights(run, tmp_path / "sam.safetensors"))
    assert (base.weights, base.image_size) == ("sam.safetensors", 64)
    rounded = build_random(TINY)
    rounded.load_state_dict({k: v.half().float() for k, v in run.network.state_dict().items()})
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    boxes = [torch.tensor([[4.0, 8, 40, 50], [0, 0, 20, 20]]), torch.tensor([[1.0, 2, 60, 30]])]
    with torch.no_grad():
        found, expected = (predict_masks(sam, images, boxes) for sam in (network, rounded))
        trained = predict_masks(run.network.eval(), images, boxes)
    assert torch.equal(found, expected)
    assert not torch.equal(found, trained)
    torch.testing.assert_close(found, trained, rtol=0.05, atol=0.05)


def test_only_a_finished_run_is_exported(recipe: Recipe, tmp_path: Path) -> None:
    run = Pretraining(recipe(), tmp_path)
    run.run(1)
    with pytest.raises(CobotError, match="step 1 of 6: finish the training before its export"):
        export_weights(run, tmp_path / "sam.safetensors")


def test_other_weights_are_not_overwritten_and_the_same_are_kept(
    run: Pretraining, tmp_path: Path
) -> None:
    file = tmp_path / "sam.safetensors"
    save_file({"other": torch.zeros(1)}, file)
    before = file.read_bytes()
    with pytest.raises(CobotError, match="holds other weights: move it away, or give another"):
        export_weights(run, file)
    assert file.read_bytes() == before
    file.unlink()
    written = export_weights(run, file).stat()
    assert export_weights(run, file).stat().st_mtime_ns == written.st_mtime_ns
    with pytest.raises(CobotError, match=r"sam.pth is no .safetensors file: give a path"):
        export_weights(run, tmp_path / "sam.pth")


def test_a_weight_beyond_half_precision_is_named(run: Pretraining, tmp_path: Path) -> None:
    with torch.no_grad():
        run.network.mask_decoder.iou_token.weight[0, 0] = 1.0e6
    with pytest.raises(CobotError, match=r"mask_decoder.iou_token.weight does not fit half"):
        export_weights(run, tmp_path / "sam.safetensors")
    assert not (tmp_path / "sam.safetensors").exists()
